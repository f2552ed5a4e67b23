import pandas as pd
import plotly.graph_objects as go

from ragtuned_kedro.evaluation.assertions import score_answers
from ragtuned_kedro.evaluation.scorecard import build_scorecard, flatten_metrics
from ragtuned_kedro.evaluation.scorecard_plot import plot_scorecard
from ragtuned_kedro.pipelines.systems import BASELINE, CANDIDATE
from ragtuned_kedro.schemas.parameters import ScoringParams


def score_systems(
    evaluation_queries: pd.DataFrame,
    assertions: pd.DataFrame,
    base_answers: pd.DataFrame,
    tuned_answers: pd.DataFrame,
    scoring: ScoringParams,
) -> pd.DataFrame:
    """Score the answers of both systems."""
    return score_answers(
        evaluation_queries,
        assertions,
        pd.concat([base_answers, tuned_answers], ignore_index=True),
        abstention_phrases=scoring.abstention_phrases,
    )


def make_scorecard(
    evaluation_queries: pd.DataFrame,
    base_answers: pd.DataFrame,
    tuned_answers: pd.DataFrame,
    query_scores: pd.DataFrame,
    scoring: ScoringParams,
) -> pd.DataFrame:
    """Build the metrics of both systems and of one against the other."""
    return build_scorecard(
        evaluation_queries,
        pd.concat([base_answers, tuned_answers], ignore_index=True),
        query_scores,
        candidate=CANDIDATE,
        baseline=BASELINE,
        n_bootstrap=scoring.n_bootstrap,
        confidence=scoring.confidence,
        seed=scoring.seed,
    )


def draw_scorecard(metrics: pd.DataFrame) -> go.Figure:
    """Draw the scorecard."""
    return plot_scorecard(metrics, candidate=CANDIDATE, baseline=BASELINE)


def name_metrics(metrics: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Flatten metrics into what an MLflow run records."""
    return {name: {"value": value, "step": 0} for name, value in flatten_metrics(metrics).items()}
