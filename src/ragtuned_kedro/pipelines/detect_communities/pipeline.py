from kedro.pipeline import Node, Pipeline

from .nodes import detect


def create_pipeline(**_: object) -> Pipeline:
    """Graph to communities."""
    return Pipeline(
        [
            Node(
                detect,
                inputs=["knowledge_graph", "entity_chunks", "params:communities"],
                outputs=["communities", "community_members"],
                name="detect_communities",
            )
        ]
    )
