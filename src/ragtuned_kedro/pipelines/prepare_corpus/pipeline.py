from kedro.pipeline import Node, Pipeline

from .nodes import cut_chunks, read_corpus


def create_pipeline(**_: object) -> Pipeline:
    """Raw files to documents and chunks."""
    return Pipeline(
        [
            Node(
                read_corpus,
                inputs=["raw_documents", "base_model_folder", "params:corpus"],
                outputs=["documents", "document_rejections"],
                name="read_corpus",
            ),
            Node(
                cut_chunks,
                inputs=["documents", "base_model_folder", "params:chunking"],
                outputs="chunks",
                name="cut_chunks",
            ),
        ]
    )
