"""Metrics in words: the rows of the scorecard that the page and the terminal both show."""

from dataclasses import dataclass

import pandas as pd

# Shares are shown in percent, the others with their own unit.
_UNITS = {"seconds": "s", "completion_tokens": "tokens"}

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
    ("completion_tokens", None, None, "Length of an answer"),
)
_CHANGES = {"recall": "recall_gain", "false_answer_rate": "false_answer_rate_change"}


@dataclass(frozen=True)
class Figure:
    """One metric in words: its value and its interval, empty where there is none."""

    text: str
    interval: str
    value: float


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
                _figure(before, metric),
                _figure(after, metric),
                _figure(change, metric, signed=True),
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


def _figure(row: dict | None, metric: str, *, signed: bool = False) -> Figure | None:
    if row is None:
        return None
    unit = _UNITS.get(metric)
    value, low, high = row["value"], row["ci_low"], row["ci_high"]
    if unit is None:
        # A change of shares is in percentage points, not in percent.
        text = f"{100 * value:+.0f} points" if signed else f"{100 * value:.0f} %"
        bounds = (f"{100 * low:+.0f}", f"{100 * high:+.0f}") if signed else None
        bounds = bounds or (f"{100 * low:.0f}", f"{100 * high:.0f}")
    else:
        digits = 2 if unit == "s" else 0
        text = f"{value:.{digits}f} {unit}"
        bounds = (f"{low:.{digits}f}", f"{high:.{digits}f}")
    interval = "" if pd.isna(low) or pd.isna(high) else f"{bounds[0]} to {bounds[1]}"
    # A true minus is as wide as a plus, so signed figures line up.
    return Figure(text.replace("-", "\u2212"), interval.replace("-", "\u2212"), float(value))


def _or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
