"""A judge's verdicts in words, with the judge's own errors beside them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ragtuned_kedro.reporting.comparison_rows import ALPHA, label_of
from ragtuned_kedro.reporting.score_rows import Figure, make_figure

# Each check with what should come of it.
_CHECKS = {
    "identical": "identical answers did not tie",
    "planted": "a planted wrong answer did not lose",
    "padded": "a padded answer won",
}


@dataclass(frozen=True)
class Opponent:
    """One other system: how often the tuned model beat it, by criterion.

    `n` are the least questions that a criterion has a verdict on, `n_missing` the most it lacks.
    """

    label: str
    won: Mapping[str, Figure]
    decided: frozenset[str]
    n: int
    n_missing: int


@dataclass(frozen=True)
class Trust:
    """One sign of how far the judge is to be trusted: a share of failures, best at 0."""

    label: str
    figure: Figure
    n: int
    n_missing: int


@dataclass(frozen=True)
class JudgeRows:
    """What a judge said in all; empty where none was asked."""

    judge: str
    criteria: tuple[str, ...]
    opponents: tuple[Opponent, ...]
    trust: tuple[Trust, ...]


def judge_rows(judge_metrics: pd.DataFrame, *, candidate: str) -> JudgeRows:
    """Lay out the judge's Metrics over all answerable questions, and the judge's errors."""
    won = judge_metrics[
        (judge_metrics["metric"] == "win_rate")
        & (judge_metrics["system"] == candidate)
        & (judge_metrics["scope"] == "answerable")
    ]
    criteria = tuple(dict.fromkeys(won["criterion"]))
    opponents = tuple(
        _opponent(str(baseline), rows.to_dict("records"))
        for baseline, rows in won.groupby("baseline", sort=False)
    )
    signs = judge_metrics[judge_metrics["metric"].isin(["judge_error", "seat_disagreement"])]
    judge = str(signs["system"].iloc[0]) if len(signs) else ""
    return JudgeRows(
        judge, criteria, opponents, tuple(_trust(row) for row in signs.to_dict("records"))
    )


def _opponent(baseline: str, rows: list[dict]) -> Opponent:
    return Opponent(
        label_of(baseline),
        {row["criterion"]: make_figure(row, "win_rate") for row in rows},
        frozenset(row["criterion"] for row in rows if row["p_holm"] < ALPHA),
        min(int(row["n"]) for row in rows),
        max(int(row["n_missing"]) for row in rows),
    )


def _trust(row: dict) -> Trust:
    label = _CHECKS.get(row["criterion"], "the two seats disagreed")
    return Trust(label, make_figure(row, row["metric"]), int(row["n"]), int(row["n_missing"]))
