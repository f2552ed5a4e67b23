"""Metrics in words: the rows of the scorecard that the page and the terminal both show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

# Shares are shown in percent, the others with their own unit.
_UNITS = {
    "seconds": "s",
    "first_token_seconds": "s",
    "prompt_tokens": "tokens",
    "completion_tokens": "tokens",
    "peak_memory_bytes": "GB",
}
# What numbers are divided by to be shown in a unit.
_SCALES = {"GB": 1e9}
# These have no unit and are no share of anything.
_PLAIN = ("token_f1", "rouge_l", "similarity")

_LABELS = (
    ("recall", "local", None, "Recall, local questions"),
    ("recall", "linked", None, "Recall, linked questions"),
    ("recall", "global", None, "Recall, global questions"),
    ("recall", "answerable", None, "Recall, answerable"),
    ("recall", "answerable", "1 document", "Recall, fact in 1 document"),
    ("recall", "answerable", "2 documents", "Recall, fact in 2 documents"),
    ("recall", "answerable", "3+ documents", "Recall, fact in 3 or more"),
    ("false_answer_rate", "unanswerable", None, "False answers"),
    ("wrong_abstention_rate", "answerable", None, "Wrong abstentions"),
    ("seconds", None, None, "Time per answer"),
    ("completion_tokens", None, None, "Tokens decoded"),
)
_CHANGES = {"recall": "recall_gain", "false_answer_rate": "false_answer_rate_change"}


@dataclass(frozen=True)
class Figure:
    """One metric in words: its value and its interval, empty (nan) where there is none."""

    text: str
    interval: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ScoreRow:
    """One line of the scorecard; what a system has no value for is null."""

    label: str
    metric: str
    scope: str | None
    criterion: str | None
    before: Figure | None
    after: Figure | None
    change: Figure | None
    n: int
    n_missing: int


def score_rows(metrics: pd.DataFrame, *, candidate: str, baseline: str) -> list[ScoreRow]:
    """Lay out the metrics of both systems side by side; empty where no question was asked."""
    found = {
        (
            row["metric"],
            row["system"],
            _or_none(row["scope"]),
            _or_none(row["criterion"]),
        ): row
        for row in metrics.to_dict("records")
    }
    rows = []
    for metric, scope, criterion, label in _LABELS:
        before = found.get((metric, baseline, scope, criterion))
        after = found.get((metric, candidate, scope, criterion))
        sides = [side for side in (before, after) if side is not None]
        if not sides:
            continue
        change = found.get((_CHANGES.get(metric), candidate, scope, criterion))
        rows.append(
            ScoreRow(
                label,
                metric,
                scope,
                criterion,
                before and make_figure(before, metric),
                after and make_figure(after, metric),
                change and make_figure(change, metric, signed=True),
                max(int(side["n"]) for side in sides),
                max(int(side["n_missing"]) for side in sides),
            )
        )
    return rows


def duration(seconds: float) -> str:
    """Write seconds as a person reads them: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def make_figure(row: Mapping[str, Any], metric: str, *, signed: bool = False) -> Figure:
    """Write one row of Metrics: a share in percent, a change in points, a cost in its unit."""
    unit = _UNITS.get(metric)
    numbers = [float(row[name]) for name in ("value", "ci_low", "ci_high")]
    if unit is not None:
        numbers = [one / _SCALES.get(unit, 1) for one in numbers]
        # Without decimals quick systems would look alike.
        digits = 0 if unit == "tokens" or numbers[0] >= 100 else 1 if numbers[0] >= 10 else 2
        value, *bounds = (f"{one:.{digits}f}" for one in numbers)
        text = f"{value} {unit}"
    elif metric in _PLAIN:
        text, *bounds = (f"{one:.2f}" for one in numbers)
    elif signed:
        # A change of shares is in percentage points, not in percent.
        value, *bounds = (f"{100 * one:+.0f}" for one in numbers)
        text = f"{value} points"
    else:
        value, *bounds = (f"{100 * one:.0f}" for one in numbers)
        text = f"{value} %"
    interval = "" if pd.isna(row["ci_low"]) else " to ".join(bounds)
    # A true minus is as wide as a plus, so signed figures line up.
    signed_text, signed_interval = (one.replace("-", "\u2212") for one in (text, interval))
    return Figure(
        signed_text,
        signed_interval,
        *(float(row[name]) for name in ("value", "ci_low", "ci_high")),
    )


def _or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
