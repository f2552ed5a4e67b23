"""Every system beside every other: quality and cost on the same questions, and who beats whom."""

import itertools
from collections.abc import Sequence

import pandas as pd

from ragtuned_kedro.evaluation.intervals import estimate_mean
from ragtuned_kedro.evaluation.metric_rows import (
    ANSWERABLE,
    ANSWERABLE_SCOPES,
    UNANSWERABLE,
    MetricRows,
    in_scope,
    join_by_question,
)
from ragtuned_kedro.evaluation.significance import holm, sign_test
from ragtuned_kedro.evaluation.verdicts import ASSERTION_RECALL, both_ways, points_by_question
from ragtuned_kedro.schemas.tables import Metrics, frame_of

SCOPES = (*ANSWERABLE_SCOPES, ANSWERABLE, UNANSWERABLE)
_QUALITIES = (
    ("recall", "score"),
    ("token_f1", "token_f1"),
    ("rouge_l", "rouge_l"),
    ("similarity", "similarity"),
)
_COSTS = (
    ("prompt_tokens", "n_prompt_tokens"),
    ("completion_tokens", "n_completion_tokens"),
    ("first_token_seconds", "first_token_seconds"),
    ("seconds", "seconds"),
)


def build_comparison(
    queries: pd.DataFrame,
    answers: pd.DataFrame,
    scores: pd.DataFrame,
    overlaps: pd.DataFrame,
    verdicts: pd.DataFrame,
    *,
    systems: Sequence[str],
    query_set: str,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Build the Metrics of `systems` on `queries`, one row each, and of every pair of them.

    A system that answered none of `queries` takes no part. Quality (recall, token_f1, rouge_l and
    similarity by scope, false_answer_rate) and cost (means of prompt_tokens, completion_tokens,
    first_token_seconds and seconds per answer; peak_memory_bytes, the largest) are over the
    questions that *all* systems answered, so that no system has the easier ones. Pairs
    (recall_difference and win_rate, the mean of points) are over those that *both* answered.
    Systems and pairs come in the order of `systems`.
    """
    card = MetricRows(query_set, n_bootstrap=n_bootstrap, confidence=confidence, seed=seed)
    table = join_by_question(queries, answers, scores, overlaps.drop(columns="reference_source"))
    taking_part = [system for system in systems if system in set(table["system"])]
    shared = _shared_by_all(table, taking_part)
    for system in taking_part:
        _add_system(card, system, shared[shared["system"] == system])
    for candidate, baseline in itertools.permutations(taking_part, 2):
        for scope in SCOPES:
            rows = in_scope(table, scope)
            card.add_difference(
                "recall_difference", rows, "score", candidate, baseline, scope=scope
            )
    add_win_rates(card, verdicts, table, systems=taking_part)
    return frame_of(Metrics, card.rows)


def add_win_rates(
    card: MetricRows, verdicts: pd.DataFrame, table: pd.DataFrame, *, systems: Sequence[str]
) -> None:
    """Add the win rate of each system against each other, by scope and criterion.

    A win rate is the mean of points over questions: 1 a win, half a tie. Its p-value is that of a
    sign test over questions with a winner, corrected by Holm's method over all pairs and criteria
    of one scope. `table` has one row per system and question, with scope and `is_missing`.
    """
    points = points_by_question(verdicts)
    for scope in SCOPES:
        here = in_scope(table, scope)
        scoped = points[points["query_id"].isin(here["query_id"])]
        scoped = scoped[scoped["candidate"].isin(systems) & scoped["baseline"].isin(systems)]
        corrected = _corrected(scoped)
        missing = here[here["is_missing"] > 0].groupby("system")["query_id"].agg(set).to_dict()
        for criterion, candidate, baseline, won in both_ways(scoped):
            failed = missing.get(candidate, set()) | missing.get(baseline, set())
            card.append(
                estimate_mean(won.tolist(), **card.how),
                p_holm=corrected[criterion, frozenset((candidate, baseline))],
                n_missing=len(failed & set(won.index)),
                metric="win_rate",
                system=candidate,
                baseline=baseline,
                scope=scope,
                criterion=criterion,
                higher_is_better=True,
            )


def flatten_comparison(comparison: pd.DataFrame, *, candidate: str) -> dict[str, float]:
    """Name each metric `comparison/<query set>/<system>/<metric>[/<scope>]`, for a tracker.

    Of the pairs only those with `candidate` are named, as
    `.../<candidate>/<metric>/<scope>/<criterion>/against_<other>`; the table holds them all.
    """
    flat = {}
    for row in comparison.to_dict("records"):
        is_pair = isinstance(row["baseline"], str)
        if is_pair and row["system"] != candidate:
            continue
        parts = ["comparison", row["query_set"], row["system"], row["metric"], row["scope"]]
        parts += [row["criterion"], f"against_{row['baseline']}" if is_pair else None]
        flat["/".join(part for part in parts if isinstance(part, str))] = float(row["value"])
    return flat


def criteria_of(comparison: pd.DataFrame) -> list[str]:
    """List the criteria that win rates were found by; the one without a judge comes first."""
    found = comparison.loc[comparison["metric"] == "win_rate", "criterion"].unique()
    return sorted(found, key=lambda one: (one != ASSERTION_RECALL, one))


def _corrected(points: pd.DataFrame) -> dict[tuple[str, frozenset[str]], float]:
    pairs = [
        ((str(criterion), frozenset((str(one), str(other)))), sign_test(rows["points"].tolist()))
        for (criterion, one, other), rows in points.groupby(["criterion", "candidate", "baseline"])
    ]
    adjusted = holm([p for _, p in pairs])
    return {pair: p for (pair, _), p in zip(pairs, adjusted, strict=True)}


def _shared_by_all(table: pd.DataFrame, systems: Sequence[str]) -> pd.DataFrame:
    n_systems = table[table["system"].isin(systems)].groupby("query_id")["system"].nunique()
    return table[table["query_id"].isin(n_systems.index[n_systems == len(systems)])]


def _add_system(card: MetricRows, system: str, rows: pd.DataFrame) -> None:
    for scope in (*ANSWERABLE_SCOPES, ANSWERABLE):
        for metric, column in _QUALITIES:
            card.add(metric, in_scope(rows, scope), column, system, scope=scope)
    for metric, column, scope in (
        ("false_answer_rate", "is_false_answer", UNANSWERABLE),
        ("wrong_abstention_rate", "is_abstention", ANSWERABLE),
    ):
        chosen = in_scope(rows, scope)
        card.add(metric, chosen, column, system, scope=scope, higher_is_better=False)
    for metric, column in _COSTS:
        card.add(metric, rows, column, system, higher_is_better=False)
    card.add_largest("peak_memory_bytes", rows, "peak_memory_bytes", system)
