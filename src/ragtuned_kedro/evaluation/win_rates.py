"""Verdicts become win rates: by scope and criterion, with interval, p-value and what is missing."""

from collections.abc import Callable, Mapping

import pandas as pd

from ragtuned_kedro.evaluation.intervals import estimate_mean
from ragtuned_kedro.evaluation.metric_rows import (
    ANSWERABLE,
    ANSWERABLE_SCOPES,
    UNANSWERABLE,
    MetricRows,
    in_scope,
)
from ragtuned_kedro.evaluation.significance import holm, sign_test
from ragtuned_kedro.evaluation.verdicts import both_ways, points_by_question

SCOPES = (*ANSWERABLE_SCOPES, ANSWERABLE, UNANSWERABLE)
# How many questions lack something, given candidate, baseline, scope and those with a verdict.
CountMissing = Callable[[str, str, str, set[str]], int]


def add_win_rates(
    card: MetricRows,
    verdicts: pd.DataFrame,
    scope_of: Mapping[str, str],
    *,
    n_missing: CountMissing,
) -> None:
    """Add the win rate of each system of a pair against the other, by scope and criterion.

    A win rate is the mean of points over questions: 1 a win, half a tie. Its p-value is that of a
    sign test over questions with a winner, corrected by Holm's method over all pairs and criteria
    of one scope. Verdicts on questions that `scope_of` does not know are left out.
    """
    points = points_by_question(verdicts)
    points = points.assign(scope=points["query_id"].map(scope_of)).dropna(subset=["scope"])
    for scope in SCOPES:
        here = in_scope(points, scope)
        corrected = _corrected(here)
        for criterion, candidate, baseline, won in both_ways(here):
            card.append(
                estimate_mean(won.tolist(), **card.how),
                p_holm=corrected[criterion, frozenset((candidate, baseline))],
                n_missing=n_missing(candidate, baseline, scope, set(won.index)),
                metric="win_rate",
                system=candidate,
                baseline=baseline,
                scope=scope,
                criterion=criterion,
                higher_is_better=True,
            )


def _corrected(points: pd.DataFrame) -> dict[tuple[str, frozenset[str]], float]:
    pairs = [
        ((str(criterion), frozenset((str(one), str(other)))), sign_test(rows["points"].tolist()))
        for (criterion, one, other), rows in points.groupby(["criterion", "candidate", "baseline"])
    ]
    adjusted = holm([p for _, p in pairs])
    return {pair: p for (pair, _), p in zip(pairs, adjusted, strict=True)}
