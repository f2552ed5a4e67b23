from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from ragtuned_kedro.evaluation import overlap, running_costs
from ragtuned_kedro.evaluation.assertions import score_answers
from ragtuned_kedro.evaluation.comparison import build_comparison, flatten_comparison
from ragtuned_kedro.evaluation.scorecard import (
    GENERATED_SET,
    QUERY_SET,
    build_scorecard,
    flatten_metrics,
)
from ragtuned_kedro.evaluation.scorecard_plot import plot_scorecard
from ragtuned_kedro.evaluation.verdicts import verdicts_from_scores
from ragtuned_kedro.language_models.embedder import Embedder, load_embedder
from ragtuned_kedro.language_models.embedding_endpoint import EmbeddingEndpoint
from ragtuned_kedro.pipelines.lineage import find_stages, index_nodes
from ragtuned_kedro.pipelines.systems import ALL_INDEX_COSTS, BASELINE, CANDIDATE, SYSTEMS
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams
from ragtuned_kedro.schemas.call_tables import ModelCalls
from ragtuned_kedro.schemas.evaluation_parameters import ScoringParams
from ragtuned_kedro.schemas.tables import frame_of

_TUNING = "tune_adapter"


def score_systems(
    asked_queries: pd.DataFrame,
    asked_assertions: pd.DataFrame,
    scoring: ScoringParams,
    *answers: pd.DataFrame,
) -> pd.DataFrame:
    """Score the answers of all systems."""
    return score_answers(
        asked_queries,
        asked_assertions,
        pd.concat(answers, ignore_index=True),
        abstention_phrases=scoring.abstention_phrases,
    )


def measure_overlaps(
    asked_queries: pd.DataFrame,
    asked_assertions: pd.DataFrame,
    embedder_folder: Embedder,
    index_folder: Path,
    answering: AnsweringParams,
    *answers: pd.DataFrame,
) -> pd.DataFrame:
    """Compare the answers of all systems with the references."""
    return overlap.measure_overlaps(
        asked_queries,
        asked_assertions,
        pd.concat(answers, ignore_index=True),
        embed=load_embedder(embedder_folder, device=answering.device, kept_in=index_folder),
    )


def list_embedding_calls(embedder_folder: Embedder, answer_overlaps: pd.DataFrame) -> pd.DataFrame:
    """List what an endpoint embedded, once the answers, which come last, are embedded, too."""
    if isinstance(embedder_folder, EmbeddingEndpoint):
        return embedder_folder.calls()
    return frame_of(ModelCalls, [])


def find_winners(query_scores: pd.DataFrame) -> pd.DataFrame:
    """Compare every pair of systems question by question."""
    return verdicts_from_scores(query_scores, systems=SYSTEMS)


def make_scorecard(
    evaluation_queries: pd.DataFrame,
    base_answers: pd.DataFrame,
    tuned_answers: pd.DataFrame,
    query_scores: pd.DataFrame,
    scoring: ScoringParams,
) -> pd.DataFrame:
    """Build the metrics of the model before and after tuning, and of one against the other."""
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


def compare_systems(
    evaluation_queries: pd.DataFrame,
    generated_queries: pd.DataFrame,
    query_scores: pd.DataFrame,
    answer_overlaps: pd.DataFrame,
    recall_verdicts: pd.DataFrame,
    scoring: ScoringParams,
    *answers: pd.DataFrame,
) -> pd.DataFrame:
    """Build the metrics of all systems side by side, on each set of questions by itself."""
    sets = {QUERY_SET: evaluation_queries, GENERATED_SET: generated_queries}
    compared = [
        build_comparison(
            queries,
            pd.concat(answers, ignore_index=True),
            query_scores,
            answer_overlaps,
            recall_verdicts,
            systems=SYSTEMS,
            query_set=query_set,
            n_bootstrap=scoring.n_bootstrap,
            confidence=scoring.confidence,
            seed=scoring.seed,
        )
        for query_set, queries in sets.items()
    ]
    return pd.concat(compared, ignore_index=True)


def measure_running_costs(
    comparison: pd.DataFrame,
    stage_seconds: Mapping[str, Mapping[str, float]],
    training_log: pd.DataFrame,
    *index_costs: pd.DataFrame,
) -> pd.DataFrame:
    """Put what had to run before the first answer beside what each answer takes."""
    timed = {name: seconds for nodes in stage_seconds.values() for name, seconds in nodes.items()}
    # An adapter or an index that was found finished took no time in the last run.
    tuning = training_log["seconds"].max() if len(training_log) else 0.0
    made = {_TUNING: float(tuning)}
    for name, costs in zip(ALL_INDEX_COSTS, index_costs, strict=True):
        made[name.replace(".index_costs", ".index")] = float(costs["seconds"].sum())
    timed |= {node: max(timed.get(node, 0.0), seconds) for node, seconds in made.items()}
    stages = find_stages()
    behind = {system: index_nodes(stages, system) for system in SYSTEMS}
    index_seconds = {
        system: sum(timed[node] for node in nodes)
        for system, nodes in behind.items()
        if nodes <= set(timed)
    }
    return running_costs.measure_running_costs(
        comparison, index_seconds, query_set=QUERY_SET, candidate=CANDIDATE
    )


def draw_scorecard(metrics: pd.DataFrame) -> go.Figure:
    """Draw the scorecard."""
    return plot_scorecard(metrics, candidate=CANDIDATE, baseline=BASELINE)


def name_metrics(metrics: pd.DataFrame, comparison: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Flatten metrics into what an MLflow run records."""
    flat = flatten_metrics(metrics) | flatten_comparison(comparison, candidate=CANDIDATE)
    return {name: {"value": value, "step": 0} for name, value in flat.items()}
