"""What quality costs: per answer, and in all with the work before the first answer."""

import math

import pandas as pd
import plotly.graph_objects as go

from ragtuned_kedro.reporting.comparison_rows import SystemRow, comparison_rows, label_of
from ragtuned_kedro.reporting.palette import COMMUNITY_COLOURS
from ragtuned_kedro.reporting.running_cost_rows import CostRow, running_cost_rows

_QUALITY, _COST = "answerable", "seconds"
# Questions that the lines of the total cost run over: one to a million.
_QUESTIONS = [round(10 ** (step / 4)) for step in range(25)]


def draw_quality_against_cost(
    comparison: pd.DataFrame, *, candidate: str, query_set: str
) -> go.Figure:
    """Draw recall over all answerable questions, in percent, against seconds per answer."""
    rows = comparison_rows(comparison, candidate=candidate, query_set=query_set).rows
    figure = go.Figure(
        [
            _point(row, colour)
            for row, colour in zip(rows, _colours(len(rows)), strict=True)
            if {_QUALITY, _COST} <= set(row.figures)
        ]
    )
    figure.update_layout(
        xaxis={
            "title": {"text": "seconds per answer"},
            "type": "log",
            "zeroline": False,
            "tickvals": [value * 10**power for power in range(-3, 4) for value in (1, 2, 5)],
        },
        yaxis={"title": None, "ticksuffix": " %", "rangemode": "tozero", "zeroline": False},
        **_frame(),
    )
    return figure


def draw_total_cost(running_costs: pd.DataFrame, *, candidate: str) -> go.Figure:
    """Draw the seconds that so many questions cost in all, on two logarithmic axes.

    Every line starts at what the system needs before its first answer; where the tuned model's
    line goes below another one, tuning has paid for itself. It is drawn broad and beneath the
    others: the tuned model with retrieval costs nearly the same, and would hide it.
    """
    rows = running_cost_rows(running_costs)
    figure = go.Figure(
        [
            _line(row, colour, is_candidate=row.system == candidate)
            for row, colour in zip(rows, _colours(len(rows)), strict=True)
        ]
    )
    figure.update_layout(
        xaxis={"title": {"text": "questions asked"}, "type": "log", "zeroline": False},
        yaxis={"title": {"text": "hours in all"}, "type": "log", "zeroline": False},
        **_frame(),
    )
    return figure


def _point(row: SystemRow, colour: str) -> go.Scatter:
    quality, cost = row.figures[_QUALITY], row.figures[_COST]
    told = [row.figures[key].text for key in ("prompt_tokens", "seconds") if key in row.figures]
    return go.Scatter(
        name=row.label,
        x=[max(cost.value, 1e-3)],
        y=[round(100 * quality.value, 2)],
        mode="markers",
        # A recall of nothing lies on the axis, and half its dot below it.
        cliponaxis=False,
        marker={"color": colour, "size": 15 if row.is_candidate else 11, "line": {"width": 0}},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [_reach(quality.high - quality.value)],
            "arrayminus": [_reach(quality.value - quality.low)],
            "color": colour,
            "thickness": 1.3,
            "width": 5,
        },
        hovertemplate=f"recall %{{y:.0f}} % for {' prompt, '.join(told)}<extra>{row.label}</extra>",
    )


def _reach(distance: float) -> float:
    return 0.0 if math.isnan(distance) else round(100 * distance, 2)


def _line(row: CostRow, colour: str, *, is_candidate: bool) -> go.Scatter:
    return go.Scatter(
        name=label_of(row.system),
        x=_QUESTIONS,
        y=[_hours(row.index_seconds + n * row.answer_seconds) for n in _QUESTIONS],
        mode="lines",
        line={"color": colour, "width": 6 if is_candidate else 2},
        zorder=0 if is_candidate else 1,
        hovertemplate="%{x:,} questions: %{y:.2g} h<extra>" + label_of(row.system) + "</extra>",
    )


def _hours(seconds: float) -> float:
    # A logarithm needs something to stand on.
    return float(f"{max(seconds, 0.01) / 3600:.4g}")


def _colours(n: int) -> list[str]:
    repeats = math.ceil(n / len(COMMUNITY_COLOURS))
    return list((COMMUNITY_COLOURS * repeats)[:n])


def _frame() -> dict:
    return {
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "margin": {"l": 56, "r": 8, "t": 70, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
