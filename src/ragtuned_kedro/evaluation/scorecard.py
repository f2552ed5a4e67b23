"""What was remembered, before and after tuning: scores become metrics."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from ragtuned_kedro.evaluation.intervals import Estimate, estimate_difference, estimate_mean
from ragtuned_kedro.schemas.tables import Metrics, frame_of

ANSWERABLE_SCOPES = ("local", "linked", "global")
# Written as a scope in Metrics: every question that has an answer, whatever its scope.
ANSWERABLE = "answerable"
QUERY_SET = "evaluation_queries"
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
    card = _Card(n_bootstrap=n_bootstrap, confidence=confidence, seed=seed)
    table = _one_row_per_question(queries, answers, scores)
    for system, rows in table.groupby("system", sort=True):
        _add_system(card, str(system), rows)
    for scope in (*ANSWERABLE_SCOPES, ANSWERABLE):
        card.add_difference(
            "recall_gain", table[_in_scope(table, scope)], "score", candidate, baseline, scope=scope
        )
    card.add_difference(
        "false_answer_rate_change",
        table[table["scope"] == "unanswerable"],
        "is_false_answer",
        candidate,
        baseline,
        scope="unanswerable",
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


def _add_system(card: "_Card", system: str, rows: pd.DataFrame) -> None:
    for scope in (*ANSWERABLE_SCOPES, ANSWERABLE):
        card.add("recall", rows[_in_scope(rows, scope)], "score", system, scope=scope)
    answerable = rows[_in_scope(rows, ANSWERABLE)]
    for criterion, is_meant in OCCURRENCES.items():
        chosen = answerable[answerable["n_evidence"].map(is_meant).astype(bool)]
        card.add("recall", chosen, "score", system, scope=ANSWERABLE, criterion=criterion)
    unanswerable = rows[rows["scope"] == "unanswerable"]
    lower_is_better: tuple[tuple[str, pd.DataFrame, str, str | None], ...] = (
        ("false_answer_rate", unanswerable, "is_false_answer", "unanswerable"),
        ("wrong_abstention_rate", answerable, "is_abstention", ANSWERABLE),
        ("seconds", rows, "seconds", None),
        ("completion_tokens", rows, "n_completion_tokens", None),
    )
    for metric, group, column, named_scope in lower_is_better:
        card.add(metric, group, column, system, scope=named_scope, higher_is_better=False)


def _one_row_per_question(
    queries: pd.DataFrame, answers: pd.DataFrame, scores: pd.DataFrame
) -> pd.DataFrame:
    """Join scores, costs and evidence counts; samples of one question are averaged.

    The question is the unit of the bootstrap: two samples of one question are not two questions.
    """
    keys = ["query_id", "system", "sample"]
    costs = answers[[*keys, "seconds", "n_completion_tokens"]].assign(
        is_missing=(answers["finish_reason"] == "error").astype(float)
    )
    joined = scores.merge(costs, on=keys, how="left", validate="one_to_one").merge(
        queries[["query_id", "n_evidence"]], on="query_id", how="left", validate="many_to_one"
    )
    joined = joined.assign(
        is_abstention=joined["is_abstention"].astype(float), is_false_answer=1.0 - joined["score"]
    )
    measured = ["score", "is_abstention", "is_false_answer", "seconds", "n_completion_tokens"]
    return (
        joined.groupby(["system", "query_id", "scope", "n_evidence"], sort=True)
        .agg({**dict.fromkeys(measured, "mean"), "is_missing": "max"})
        .reset_index()
    )


def _in_scope(rows: pd.DataFrame, scope: str) -> pd.Series:
    return rows["scope"].isin(ANSWERABLE_SCOPES if scope == ANSWERABLE else [scope])


class _Card:
    """Collects rows of Metrics; groups without questions are left out."""

    def __init__(self, *, n_bootstrap: int, confidence: float, seed: int) -> None:
        self.rows: list[dict] = []
        self._how: dict[str, Any] = {
            "n_bootstrap": n_bootstrap,
            "confidence": confidence,
            "seed": seed,
        }

    def add(
        self,
        metric: str,
        rows: pd.DataFrame,
        column: str,
        system: str,
        *,
        scope: str | None = None,
        criterion: str | None = None,
        higher_is_better: bool = True,
    ) -> None:
        if rows.empty:
            return
        estimate = estimate_mean(_floats(rows[column]), **self._how)
        self._append(
            estimate,
            n_missing=int(rows["is_missing"].sum()),
            metric=metric,
            system=system,
            scope=scope,
            criterion=criterion,
            higher_is_better=higher_is_better,
        )

    def add_difference(
        self,
        metric: str,
        rows: pd.DataFrame,
        column: str,
        candidate: str,
        baseline: str,
        *,
        scope: str,
        higher_is_better: bool = True,
    ) -> None:
        ours = rows[rows["system"] == candidate].set_index("query_id")
        theirs = rows[rows["system"] == baseline].set_index("query_id")
        shared = sorted(set(ours.index) & set(theirs.index))
        if not shared:
            return
        ours, theirs = ours.loc[shared], theirs.loc[shared]
        missing = (ours["is_missing"] + theirs["is_missing"]) > 0
        self._append(
            estimate_difference(_floats(ours[column]), _floats(theirs[column]), **self._how),
            n_missing=int(missing.sum()),
            metric=metric,
            system=candidate,
            baseline=baseline,
            scope=scope,
            higher_is_better=higher_is_better,
        )

    def _append(self, estimate: Estimate, **columns: object) -> None:
        self.rows.append(
            {
                "baseline": None,
                "query_set": QUERY_SET,
                "criterion": None,
                "value": estimate.value,
                "ci_low": estimate.low,
                "ci_high": estimate.high,
                "n": estimate.n,
                "method": estimate.method,
                **columns,
            }
        )


def _floats(column: pd.Series) -> Sequence[float]:
    return [float(value) for value in column]
