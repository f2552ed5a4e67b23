"""From one row per question and system to rows of Metrics."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ragtuned_kedro.evaluation.intervals import Estimate, estimate_difference, estimate_mean

ANSWERABLE_SCOPES = ("local", "linked", "global")
# Written as a scope in Metrics: every question that has an answer, whatever its scope.
ANSWERABLE = "answerable"
UNANSWERABLE = "unanswerable"

_KEYS = ["query_id", "system", "sample"]


def in_scope(rows: pd.DataFrame, scope: str) -> pd.DataFrame:
    """Choose the rows of a scope, or of all scopes that have an answer."""
    return rows[rows["scope"].isin(ANSWERABLE_SCOPES if scope == ANSWERABLE else [scope])]


def join_by_question(
    queries: pd.DataFrame, answers: pd.DataFrame, *measures: pd.DataFrame
) -> pd.DataFrame:
    """Join evidence counts, costs and `measures` of answers; samples of a question are averaged.

    The question is the unit of every interval: two samples of one question are not two questions.
    One of the measures is QueryScores; only questions in `queries` are kept. `is_missing` is 1
    where an answer failed.
    """
    joined = answers.drop(columns=["text", "error", "finish_reason"]).assign(
        is_missing=(answers["finish_reason"] == "error").astype(float),
        # 0 says that nobody measured.
        peak_memory_bytes=answers["peak_memory_bytes"].where(answers["peak_memory_bytes"] > 0),
    )
    for one in measures:
        joined = joined.merge(one, on=_KEYS, how="inner", validate="one_to_one")
    joined = joined.merge(
        queries[["query_id", "n_evidence"]], on="query_id", how="inner", validate="many_to_one"
    )
    joined = joined.assign(
        is_abstention=joined["is_abstention"].astype(float), is_false_answer=1.0 - joined["score"]
    )
    grouped = joined.groupby(["system", "query_id", "scope", "n_evidence"], sort=True)
    means = grouped.mean(numeric_only=True).drop(columns="sample")
    worst = grouped[["is_missing", "peak_memory_bytes"]].max()
    return means.assign(**{name: worst[name] for name in worst}).reset_index()


class MetricRows:
    """Collects rows of Metrics; groups without questions are left out.

    `n_missing` counts the questions whose answer failed: they are part of `n` and score 0. Of
    what was not measured for every answer it counts those too: they are not part of `n`.
    """

    def __init__(self, query_set: str, *, n_bootstrap: int, confidence: float, seed: int) -> None:
        self.rows: list[dict] = []
        self.how: dict[str, Any] = {
            "n_bootstrap": n_bootstrap,
            "confidence": confidence,
            "seed": seed,
        }
        self._query_set = query_set

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
        """Add the mean of a column over questions."""
        measured = rows[rows[column].notna()]
        if measured.empty:
            return
        self.append(
            estimate_mean(_floats(measured[column]), **self.how),
            n_missing=int(measured["is_missing"].sum()) + len(rows) - len(measured),
            metric=metric,
            system=system,
            scope=scope,
            criterion=criterion,
            higher_is_better=higher_is_better,
        )

    def add_largest(self, metric: str, rows: pd.DataFrame, column: str, system: str) -> None:
        """Add the largest value of a column, for what is bounded by its peak; less is better."""
        measured = rows[column].dropna()
        if measured.empty:
            return
        self.append(
            Estimate(float(measured.max()), None, None, len(measured), "none"),
            n_missing=len(rows) - len(measured),
            metric=metric,
            system=system,
            scope=None,
            higher_is_better=False,
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
        """Add the mean of candidate - baseline over the questions that both were asked."""
        # Plain lists: there are hundreds of pairs, and a table costs more to cut than to read.
        columns = (rows[name].tolist() for name in ("system", "query_id", column, "is_missing"))
        ours: dict[str, tuple[float, float]] = {}
        theirs: dict[str, tuple[float, float]] = {}
        for system, query_id, value, is_missing in zip(*columns, strict=True):
            if system == candidate:
                ours[query_id] = value, is_missing
            elif system == baseline:
                theirs[query_id] = value, is_missing
        shared = sorted(set(ours) & set(theirs))
        if not shared:
            return
        self.append(
            estimate_difference(
                [ours[one][0] for one in shared], [theirs[one][0] for one in shared], **self.how
            ),
            n_missing=sum(ours[one][1] + theirs[one][1] > 0 for one in shared),
            metric=metric,
            system=candidate,
            baseline=baseline,
            scope=scope,
            higher_is_better=higher_is_better,
        )

    def append(self, estimate: Estimate, **columns: object) -> None:
        """Add an estimate under the names in `columns`."""
        self.rows.append(
            {
                "baseline": None,
                "query_set": self._query_set,
                "criterion": None,
                "value": estimate.value,
                "ci_low": estimate.low,
                "ci_high": estimate.high,
                "p_holm": None,
                "n": estimate.n,
                "method": estimate.method,
                **columns,
            }
        )


def _floats(column: pd.Series) -> Sequence[float]:
    return [float(value) for value in column]
