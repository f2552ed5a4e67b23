from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines import account_spending
from ragtuned_kedro.pipelines.engines import chosen_engines
from ragtuned_kedro.pipelines.systems import BASE_ANSWERS, TUNED_ANSWERS
from ragtuned_kedro.reporting.stages import STAGE_OF

from .nodes import (
    complete_ledger,
    count_stage_rows,
    draw_graph_picture,
    draw_loss_curve,
    draw_systems,
    hand_on,
    pick_examples,
    render_report,
)


def create_pipeline(**_: object) -> Pipeline:
    """Render the report from everything that the other pipelines made."""
    gated = chosen_engines().synthesize_qa == "teacher"
    calibration = ["grounding_calibration"] if gated else []
    # Accounts go with the report: it must not say from older ones that nothing was sent.
    return account_spending.create_pipeline() + Pipeline(
        [
            Node(
                count_stage_rows,
                inputs={name.replace(".", "__"): name for name in STAGE_OF},
                outputs="stage_rows",
                name="count_stage_rows",
            ),
            Node(
                complete_ledger,
                inputs=[
                    "synthesis_ledger",
                    "evaluation_rejections",
                    "evaluation_queries",
                    "generated_rejections",
                    "generated_queries",
                ],
                outputs="ledger",
                name="complete_ledger",
            ),
            Node(
                draw_graph_picture,
                inputs=[
                    "entities",
                    "relationships",
                    "communities",
                    "community_members",
                    "community_reports",
                    "params:reporting",
                ],
                outputs="graph_picture",
                name="draw_graph_picture",
            ),
            Node(
                draw_systems,
                inputs=["comparison", "running_costs"],
                outputs=["win_matrix", "quality_plot", "total_cost_plot"],
                name="draw_systems",
            ),
            # A node of its own, as for MLflow's metrics.
            Node(hand_on, inputs="win_matrix", outputs="mlflow_win_matrix", name="log_win_matrix"),
            Node(
                draw_loss_curve,
                inputs="training_log",
                outputs="loss_curve",
                name="draw_loss_curve",
            ),
            Node(
                pick_examples,
                inputs=[
                    "evaluation_queries",
                    "assertions",
                    "query_evidence",
                    BASE_ANSWERS,
                    TUNED_ANSWERS,
                    "query_scores",
                    "training_queries",
                    "qa_pairs",
                    "qa_evidence",
                    "sentences",
                    "documents",
                    "params:reporting",
                ],
                outputs="report_examples",
                name="pick_examples",
            ),
            Node(
                render_report,
                inputs=[
                    "metrics",
                    "comparison",
                    "running_costs",
                    "judge_metrics",
                    "stage_rows",
                    "ledger",
                    "communities",
                    "community_reports",
                    "report_findings",
                    "scorecard_plot",
                    "win_matrix",
                    "quality_plot",
                    "total_cost_plot",
                    "graph_picture",
                    "loss_curve",
                    "report_examples",
                    "stage_seconds",
                    "adapter",
                    "registration",
                    "spendings",
                    "disclosures",
                    "params:reporting",
                    "parameters",
                    *calibration,
                ],
                outputs="report",
                name="render_report",
            ),
        ]
    )
