"""What was remembered, before and after tuning: scores become metrics."""

from collections.abc import Callable

import pandas as pd

from ragtuned_kedro.evaluation.metric_rows import (
    ANSWERABLE,
    ANSWERABLE_SCOPES,
    UNANSWERABLE,
    MetricRows,
    in_scope,
    join_by_question,
)
from ragtuned_kedro.schemas.evaluation_tables import Metrics
from ragtuned_kedro.schemas.tables import frame_of

QUERY_SET = "evaluation_queries"
GENERATED_SET = "generated_queries"
# How often a fact occurs in the corpus, as the number of documents that state it.
OCCURRENCES: dict[str, Callable[[int], bool]] = {
    "1 document": lambda n: n == 1,
    "2 documents": lambda n: n == 2,
    "3+ documents": lambda n: n >= 3,
}


def build_scorecard(
    queries: pd.DataFrame,
    answers: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    candidate: str,
    baseline: str,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Build the Metrics of every system, and of `candidate` against `baseline`.

    Metrics: recall (mean score) by scope, over all answerable questions and by how often the
    fact occurs; false_answer_rate (share of unanswerable questions answered all the same);
    wrong_abstention_rate (share of answerable questions not answered); seconds and
    completion_tokens (mean per answer); recall_gain and false_answer_rate_change (candidate -
    baseline, paired by question). A group without questions has no row. `n_missing` counts the
    questions whose answer failed: they are part of `n` and score 0.
    """
    card = MetricRows(QUERY_SET, n_bootstrap=n_bootstrap, confidence=confidence, seed=seed)
    table = join_by_question(queries, answers, scores)
    for system, rows in table.groupby("system", sort=True):
        _add_system(card, str(system), rows)
    for scope in (*ANSWERABLE_SCOPES, ANSWERABLE):
        card.add_difference(
            "recall_gain", in_scope(table, scope), "score", candidate, baseline, scope=scope
        )
    card.add_difference(
        "false_answer_rate_change",
        in_scope(table, UNANSWERABLE),
        "is_false_answer",
        candidate,
        baseline,
        scope=UNANSWERABLE,
        higher_is_better=False,
    )
    return frame_of(Metrics, card.rows)


def flatten_metrics(metrics: pd.DataFrame) -> dict[str, float]:
    """Name each metric as one path, `<system>/<metric>/<scope>/<criterion>`, for a tracker."""
    flat = {}
    for row in metrics.to_dict("records"):
        parts = [row["system"], row["metric"], row["scope"], row["criterion"]]
        path = "/".join(part for part in parts if isinstance(part, str))
        # Trackers allow few signs in names; "3+ documents" becomes 3_or_more_documents.
        flat[path.replace("+", " or more").replace(" ", "_")] = float(row["value"])
    return flat


def _add_system(card: MetricRows, system: str, rows: pd.DataFrame) -> None:
    for scope in (*ANSWERABLE_SCOPES, ANSWERABLE):
        card.add("recall", in_scope(rows, scope), "score", system, scope=scope)
    answerable = in_scope(rows, ANSWERABLE)
    for criterion, is_meant in OCCURRENCES.items():
        chosen = answerable[answerable["n_evidence"].map(is_meant).astype(bool)]
        card.add("recall", chosen, "score", system, scope=ANSWERABLE, criterion=criterion)
    unanswerable = in_scope(rows, UNANSWERABLE)
    lower_is_better: tuple[tuple[str, pd.DataFrame, str, str | None], ...] = (
        ("false_answer_rate", unanswerable, "is_false_answer", UNANSWERABLE),
        ("wrong_abstention_rate", answerable, "is_abstention", ANSWERABLE),
        ("seconds", rows, "seconds", None),
        ("completion_tokens", rows, "n_completion_tokens", None),
    )
    for metric, group, column, named_scope in lower_is_better:
        card.add(metric, group, column, system, scope=named_scope, higher_is_better=False)
