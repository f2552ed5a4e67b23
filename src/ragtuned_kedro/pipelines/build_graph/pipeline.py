from kedro.pipeline import Node, Pipeline

from .nodes import extract, link, merge


def create_pipeline(**_: object) -> Pipeline:
    """Documents to mentions, entities, relationships and the graph."""
    return Pipeline(
        [
            Node(
                extract,
                inputs=["documents", "chunks", "params:extraction"],
                outputs=["sentences", "entity_mentions", "relationship_mentions"],
                name="extract_mentions",
            ),
            Node(
                merge,
                inputs=["entity_mentions", "relationship_mentions", "params:extraction"],
                outputs=["entities", "relationships", "entity_chunks", "relationship_chunks"],
                name="merge_mentions",
            ),
            Node(
                link,
                inputs=["entities", "relationships"],
                outputs="knowledge_graph",
                name="build_graph",
            ),
        ]
    )
