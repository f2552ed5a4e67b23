from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ragtuned_kedro.evaluation.scorecard import QUERY_SET
from ragtuned_kedro.evaluation.verdicts import ASSERTION_RECALL
from ragtuned_kedro.language_models.adapter_folder import read_adapter_card
from ragtuned_kedro.pipelines.systems import BASELINE, CANDIDATE
from ragtuned_kedro.reporting.cost_plots import draw_quality_against_cost, draw_total_cost
from ragtuned_kedro.reporting.examples import Lessons, choose_examples
from ragtuned_kedro.reporting.graph_picture import draw_graph
from ragtuned_kedro.reporting.loss_plot import draw_loss
from ragtuned_kedro.reporting.page import Pictures, ReportTables, render_page
from ragtuned_kedro.reporting.stages import count_rows, rejection_ledger
from ragtuned_kedro.reporting.win_matrix import draw_win_matrix
from ragtuned_kedro.schemas.reporting_parameters import ReportingParams
from ragtuned_kedro.schemas.synthesis_tables import GroundingCalibration
from ragtuned_kedro.schemas.tables import frame_of


def count_stage_rows(**tables: Sized) -> pd.DataFrame:
    """Count the rows of every dataset; a keyword cannot hold the dot of a namespace."""
    return count_rows({name.replace("__", "."): table for name, table in tables.items()})


def complete_ledger(
    synthesis_ledger: pd.DataFrame,
    evaluation_rejections: pd.DataFrame,
    evaluation_queries: pd.DataFrame,
    generated_rejections: pd.DataFrame,
    generated_queries: pd.DataFrame,
) -> pd.DataFrame:
    """Add what became of the evaluation questions to the ledger of the synthesis."""
    generated = rejection_ledger(
        generated_rejections,
        stage="generate_questions",
        unit_kind="question",
        n_accepted=len(generated_queries),
    )
    asked = rejection_ledger(
        evaluation_rejections,
        stage="ask_questions",
        unit_kind="question",
        n_accepted=len(evaluation_queries),
    )
    return pd.concat([synthesis_ledger, asked, generated], ignore_index=True)


def draw_graph_picture(
    entities: pd.DataFrame,
    relationships: pd.DataFrame,
    communities: pd.DataFrame,
    community_members: pd.DataFrame,
    community_reports: pd.DataFrame,
    reporting: ReportingParams,
) -> go.Figure:
    """Draw the knowledge graph."""
    return draw_graph(
        entities,
        relationships,
        communities,
        community_members,
        community_reports,
        max_entities=reporting.graph_max_entities,
        n_labels=reporting.graph_n_labels,
        seed=reporting.graph_seed,
    )


def draw_systems(
    comparison: pd.DataFrame, running_costs: pd.DataFrame
) -> tuple[go.Figure, go.Figure, go.Figure]:
    """Draw who beats whom, quality against cost, and cost in all."""
    return (
        draw_win_matrix(comparison, criterion=ASSERTION_RECALL, query_set=QUERY_SET),
        draw_quality_against_cost(comparison, candidate=CANDIDATE, query_set=QUERY_SET),
        draw_total_cost(running_costs, candidate=CANDIDATE),
    )


def hand_on(figure: go.Figure) -> go.Figure:
    """Hand a figure on to where MLflow shows it."""
    return figure


def draw_loss_curve(training_log: pd.DataFrame) -> go.Figure:
    """Draw the loss over training steps."""
    return draw_loss(training_log)


def pick_examples(
    evaluation_queries: pd.DataFrame,
    assertions: pd.DataFrame,
    query_evidence: pd.DataFrame,
    base_answers: pd.DataFrame,
    tuned_answers: pd.DataFrame,
    query_scores: pd.DataFrame,
    training_queries: pd.DataFrame,
    qa_pairs: pd.DataFrame,
    qa_evidence: pd.DataFrame,
    sentences: pd.DataFrame,
    documents: pd.DataFrame,
    reporting: ReportingParams,
) -> list[dict[str, Any]]:
    """Choose questions that were answered right and wrong."""
    return choose_examples(
        evaluation_queries,
        assertions,
        query_evidence,
        pd.concat([base_answers, tuned_answers], ignore_index=True),
        query_scores,
        Lessons(training_queries, qa_pairs, qa_evidence, sentences, documents),
        candidate=CANDIDATE,
        baseline=BASELINE,
        n_right=reporting.n_examples_right,
        n_wrong=reporting.n_examples_wrong,
    )


def render_report(
    metrics: pd.DataFrame,
    comparison: pd.DataFrame,
    running_costs: pd.DataFrame,
    judge_metrics: pd.DataFrame,
    stage_rows: pd.DataFrame,
    ledger: pd.DataFrame,
    communities: pd.DataFrame,
    community_reports: pd.DataFrame,
    report_findings: pd.DataFrame,
    scorecard_plot: go.Figure,
    win_matrix: go.Figure,
    quality_plot: go.Figure,
    total_cost_plot: go.Figure,
    graph_picture: go.Figure,
    loss_curve: go.Figure,
    examples: Sequence[Mapping[str, Any]],
    stage_seconds: Mapping[str, Mapping[str, float]],
    adapter: Path,
    registration: Mapping[str, Any],
    spendings: pd.DataFrame,
    disclosures: pd.DataFrame,
    reporting: ReportingParams,
    settings: Mapping[str, Any],
    grounding_calibration: pd.DataFrame | None = None,
) -> str:
    """Render the report; only a teacher's answers pass a gate that has to be calibrated."""
    if grounding_calibration is None:
        grounding_calibration = frame_of(GroundingCalibration, [])
    return render_page(
        ReportTables(
            metrics,
            comparison,
            running_costs,
            judge_metrics,
            stage_rows,
            ledger,
            communities,
            community_reports,
            report_findings,
            spendings,
            disclosures,
            grounding_calibration,
        ),
        Pictures(
            scorecard_plot, win_matrix, quality_plot, total_cost_plot, graph_picture, loss_curve
        ),
        title=reporting.title,
        candidate=CANDIDATE,
        baseline=BASELINE,
        stage_seconds=stage_seconds,
        examples=examples,
        settings=settings,
        adapter_card=read_adapter_card(adapter).model_dump(mode="json"),
        registration=registration,
        max_reports=reporting.max_reports,
    )
