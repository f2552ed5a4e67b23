from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines.systems import (
    ALL_ANSWERS,
    ALL_INDEX_COSTS,
    BASE_ANSWERS,
    TUNED_ANSWERS,
)

from .nodes import (
    compare_systems,
    draw_scorecard,
    find_winners,
    list_embedding_calls,
    make_scorecard,
    measure_overlaps,
    measure_running_costs,
    name_metrics,
    score_systems,
)


def create_pipeline(**_: object) -> Pipeline:
    """Score the answers of all systems and compare them."""
    return Pipeline([*_scoring(), *_comparing()])


def _scoring() -> list[Node]:
    return [
        Node(
            score_systems,
            inputs=["asked_queries", "asked_assertions", "params:scoring", *ALL_ANSWERS],
            outputs="query_scores",
            name="score_systems",
        ),
        Node(
            measure_overlaps,
            inputs=[
                "asked_queries",
                "asked_assertions",
                "embedder_folder",
                "index_folder",
                "params:answering",
                *ALL_ANSWERS,
            ],
            outputs="answer_overlaps",
            name="measure_overlaps",
        ),
        # After the last stage that embeds anything.
        Node(
            list_embedding_calls,
            inputs=["embedder_folder", "answer_overlaps"],
            outputs="embedding_calls",
            name="list_embedding_calls",
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
        Node(draw_scorecard, inputs="metrics", outputs="scorecard_plot", name="draw_scorecard"),
    ]


def _comparing() -> list[Node]:
    return [
        Node(find_winners, inputs="query_scores", outputs="recall_verdicts", name="find_winners"),
        Node(
            compare_systems,
            inputs=[
                "evaluation_queries",
                "generated_queries",
                "query_scores",
                "answer_overlaps",
                "recall_verdicts",
                "params:scoring",
                *ALL_ANSWERS,
            ],
            outputs="comparison",
            name="compare_systems",
        ),
        Node(
            measure_running_costs,
            inputs=["comparison", "stage_seconds", "training_log", *ALL_INDEX_COSTS],
            outputs="running_costs",
            name="measure_running_costs",
        ),
        # A node of its own: MLflow's dataset never exists in a new run, so whatever makes it
        # runs again under --only-missing-outputs.
        Node(
            name_metrics,
            inputs=["metrics", "comparison"],
            outputs="mlflow_metrics",
            name="name_metrics",
        ),
    ]
