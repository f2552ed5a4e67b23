"""The scorecard as bars: recall by scope, before and after tuning."""

import pandas as pd
import plotly.graph_objects as go

from ragtuned_kedro.evaluation.metric_rows import ANSWERABLE, ANSWERABLE_SCOPES

# Grey for what was there, colour for what tuning made of it; both show on light and on dark.
_BEFORE, _AFTER = "#a8adb8", "#4269d0"
_TICKS = {
    **{scope: scope for scope in ANSWERABLE_SCOPES},
    ANSWERABLE: "answerable",
    "unanswerable": "false<br>answers",
}


def plot_scorecard(metrics: pd.DataFrame, *, candidate: str, baseline: str) -> go.Figure:
    """Plot recall by scope and the false-answer rate, with intervals; shares in percent.

    Without questions the figure says so.
    """
    figure = go.Figure()
    for system, label, colour in (
        (baseline, "base model", _BEFORE),
        (candidate, "after tuning", _AFTER),
    ):
        rows = _shown(metrics, system)
        if not rows.empty:
            figure.add_trace(_bars(rows, label=label, colour=colour))
    figure.update_layout(
        barmode="group",
        bargap=0.35,
        bargroupgap=0.08,
        yaxis={"title": None, "range": [0, 100], "ticksuffix": " %", "zeroline": False},
        xaxis={"title": None, "showgrid": False, "tickangle": 0},
        legend={"orientation": "h", "x": 0, "y": 1.12},
        margin={"l": 48, "r": 8, "t": 40, "b": 56},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    if not figure.data:
        figure.add_annotation(text="No evaluation questions were asked.", showarrow=False)
    return figure


def _shown(metrics: pd.DataFrame, system: str) -> pd.DataFrame:
    is_shown = (
        (metrics["system"] == system)
        & metrics["metric"].isin(["recall", "false_answer_rate"])
        & metrics["criterion"].isna()
        & metrics["scope"].isin(list(_TICKS))
    )
    order = {scope: place for place, scope in enumerate(_TICKS)}
    return metrics[is_shown].sort_values("scope", key=lambda scopes: scopes.map(order))


def _bars(rows: pd.DataFrame, *, label: str, colour: str) -> go.Bar:
    values = 100 * rows["value"]
    return go.Bar(
        name=label,
        x=[_TICKS[scope] for scope in rows["scope"]],
        y=[round(value, 2) for value in values],
        marker={"color": colour},
        # A missing interval (one question) is drawn as none.
        error_y={
            "type": "data",
            "symmetric": False,
            "array": (100 * rows["ci_high"] - values).fillna(0).round(2).tolist(),
            "arrayminus": (values - 100 * rows["ci_low"]).fillna(0).round(2).tolist(),
            "color": "#7d8390",
            "thickness": 1.3,
            "width": 5,
        },
        customdata=rows["n"].tolist(),
        hovertemplate="%{y:.1f} % of %{customdata} questions<extra>" + label + "</extra>",
    )
