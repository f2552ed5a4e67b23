"""Every system beside every other: quality and cost on the same questions, and who beats whom."""

import itertools
import re
from collections.abc import Sequence

import pandas as pd

from ragtuned_kedro.evaluation.metric_rows import (
    ANSWERABLE,
    ANSWERABLE_SCOPES,
    UNANSWERABLE,
    MetricRows,
    in_scope,
    join_by_question,
)
from ragtuned_kedro.evaluation.win_rates import SCOPES, CountMissing, add_win_rates
from ragtuned_kedro.schemas.evaluation_tables import Metrics
from ragtuned_kedro.schemas.tables import frame_of

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
    table = table[table["system"].isin(systems)]
    taking_part = [system for system in systems if system in set(table["system"])]
    shared = _shared_by_all(table, taking_part)
    for system in taking_part:
        _add_system(card, system, shared[shared["system"] == system])
    by_scope = {scope: in_scope(table, scope) for scope in SCOPES}
    for candidate, baseline in itertools.permutations(taking_part, 2):
        for scope, rows in by_scope.items():
            card.add_difference(
                "recall_difference", rows, "score", candidate, baseline, scope=scope
            )
    scope_of = dict(zip(table["query_id"], table["scope"], strict=True))
    add_win_rates(card, verdicts, scope_of, n_missing=_count_failed(table))
    return frame_of(Metrics, card.rows)


def _count_failed(table: pd.DataFrame) -> CountMissing:
    failed = table[table["is_missing"] > 0].groupby("system")["query_id"].agg(set).to_dict()

    def count(candidate: str, baseline: str, _: str, asked: set[str]) -> int:
        return len((failed.get(candidate, set()) | failed.get(baseline, set())) & asked)

    return count


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
        path = "/".join(part for part in parts if isinstance(part, str))
        flat[_tracker_name(path)] = float(row["value"])
    return flat


def _tracker_name(path: str) -> str:
    """Leave out what a tracker refuses: signs, and steps of a path that lead nowhere.

    A server may know its model by the path of a folder.
    """
    steps = re.sub(r"[^\w/.-]", "_", path).split("/")
    return "/".join(step for step in steps if step not in ("", ".", ".."))


def _shared_by_all(table: pd.DataFrame, systems: Sequence[str]) -> pd.DataFrame:
    n_systems = table.groupby("query_id")["system"].nunique()
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
