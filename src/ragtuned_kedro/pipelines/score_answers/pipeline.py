from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines.systems import BASE_ANSWERS, TUNED_ANSWERS

from .nodes import draw_scorecard, make_scorecard, name_metrics, score_systems


def create_pipeline(**_: object) -> Pipeline:
    """Score the answers of both systems and compare them."""
    return Pipeline(
        [
            Node(
                score_systems,
                inputs=[
                    "evaluation_queries",
                    "assertions",
                    BASE_ANSWERS,
                    TUNED_ANSWERS,
                    "params:scoring",
                ],
                outputs="query_scores",
                name="score_systems",
            ),
            Node(
                make_scorecard,
                inputs=[
                    "evaluation_queries",
                    BASE_ANSWERS,
                    TUNED_ANSWERS,
                    "query_scores",
                    "params:scoring",
                ],
                outputs="metrics",
                name="make_scorecard",
            ),
            Node(
                draw_scorecard,
                inputs="metrics",
                outputs="scorecard_plot",
                name="draw_scorecard",
            ),
            # A node of its own: MLflow's dataset never exists in a new run, so whatever makes it
            # runs again under --only-missing-outputs.
            Node(
                name_metrics,
                inputs="metrics",
                outputs="mlflow_metrics",
                name="name_metrics",
            ),
        ]
    )
