from kedro.pipeline import Node, Pipeline

from .nodes import fetch_base_model


def create_pipeline(**_: object) -> Pipeline:
    """Fetch the base model."""
    return Pipeline(
        [
            Node(
                fetch_base_model,
                inputs=["params:base_model", "base_model_cache"],
                outputs="base_model_folder",
                name="fetch_base_model",
            )
        ]
    )
