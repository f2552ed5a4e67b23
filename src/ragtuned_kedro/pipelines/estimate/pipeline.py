from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines import fetch_model, prepare_corpus

from .nodes import estimate


def create_pipeline(**_: object) -> Pipeline:
    """Corpus to estimate: chunks are cut for it, and no more is done."""
    estimating = Node(
        estimate,
        inputs=[
            "chunks",
            "base_model_folder",
            "teacher",
            "graph_prompts",
            "report_prompts",
            "synthesis_prompts",
            "params:extraction",
            "params:teaching",
            "params:estimate",
            "params:engines",
        ],
        outputs="call_estimates",
        name="estimate_calls",
    )
    return fetch_model.create_pipeline() + prepare_corpus.create_pipeline() + Pipeline([estimating])
