from kedro.pipeline import Node, Pipeline

from .nodes import register_model


def create_pipeline(**_: object) -> Pipeline:
    """Register the adapter in MLflow's model registry."""
    return Pipeline(
        [
            Node(
                register_model,
                inputs=[
                    "adapter",
                    "base_model_folder",
                    "metrics",
                    "evaluation_queries",
                    "params:registry",
                    "params:base_model",
                    "params:answering",
                    "params:rag_tuned",
                    "params:examples",
                ],
                outputs="registration",
                name="register_model",
            )
        ]
    )
