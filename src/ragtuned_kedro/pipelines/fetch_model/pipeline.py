from kedro.pipeline import Node, Pipeline

from .nodes import fetch_base_model, fetch_embedder


def create_pipeline(**_: object) -> Pipeline:
    """Fetch the base model and the embedder."""
    return Pipeline(
        [
            Node(
                fetch_base_model,
                inputs=["params:base_model", "base_model_cache"],
                outputs="base_model_folder",
                name="fetch_base_model",
            ),
            Node(
                fetch_embedder,
                inputs=["params:embedder", "base_model_cache"],
                outputs="embedder_folder",
                name="fetch_embedder",
            ),
        ]
    )
