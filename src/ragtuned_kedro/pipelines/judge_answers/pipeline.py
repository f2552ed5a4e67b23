from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines.systems import ALL_ANSWERS

from .nodes import judge_answers, name_judge_metrics


def create_pipeline(**_: object) -> Pipeline:
    """Let a judge compare the answers, and write what it says to MLflow."""
    return Pipeline(
        [
            Node(
                judge_answers,
                inputs=[
                    "judge",
                    "evaluation_prompts",
                    "evaluation_queries",
                    "assertions",
                    "query_evidence",
                    "documents",
                    "base_model_folder",
                    "params:judging",
                    "params:scoring",
                    *ALL_ANSWERS,
                ],
                outputs=[
                    "judgements",
                    "judge_verdicts",
                    "judge_checks",
                    "judge_metrics",
                    "judge_calls",
                    "judge_rejections",
                ],
                name="judge_answers",
            ),
            # A node of its own, as for the other metrics of MLflow.
            Node(
                name_judge_metrics,
                inputs="judge_metrics",
                outputs="mlflow_judge_metrics",
                name="name_judge_metrics",
            ),
        ]
    )
