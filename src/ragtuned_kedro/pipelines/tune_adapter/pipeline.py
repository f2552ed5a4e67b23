from kedro.pipeline import Node, Pipeline

from .nodes import list_training_metrics, tune, tune_to_read


def create_pipeline(**_: object) -> Pipeline:
    """Tune the reader and the adapter that remembers, and write the latter's history to MLflow."""
    return Pipeline(
        [
            Node(
                tune_to_read,
                inputs=[
                    "reading_questions",
                    "base_model_folder",
                    "tuning_workspace",
                    "params:base_model",
                    "params:reader_lora",
                    "params:reader_optimization",
                ],
                outputs=["reader", "reading_log"],
                name="tune_reader",
            ),
            Node(
                tune,
                inputs=[
                    "training_examples",
                    "reader",
                    "base_model_folder",
                    "tuning_workspace",
                    "params:base_model",
                    "params:quantization",
                    "params:lora",
                    "params:optimization",
                    "params:examples",
                ],
                outputs=["adapter", "training_log"],
                name="tune_adapter",
            ),
            # A node of its own: whether a metric exists is asked of the new MLflow run, so as an
            # output of the training it would let --only-missing-outputs train again.
            Node(
                list_training_metrics,
                inputs="training_log",
                outputs="training_metrics",
                name="log_training_metrics",
            ),
        ]
    )
