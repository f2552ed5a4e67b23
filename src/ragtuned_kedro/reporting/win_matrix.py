"""Who beats whom: win rates of every system against every other, one scope at a time."""

import pandas as pd
import plotly.graph_objects as go

from ragtuned_kedro.reporting.comparison_rows import ALPHA, label_of

SCOPES = ("answerable", "local", "linked", "global", "unanswerable")
# Losing, even, winning: orange and blue stay apart for colour-blind readers, on any ground.
_SCALE = ((0.0, "#c4603a"), (0.5, "#757b88"), (1.0, "#3257c4"))


def draw_win_matrix(comparison: pd.DataFrame, *, criterion: str, query_set: str) -> go.Figure:
    """Draw a heat map per scope, rows against columns, in percent; a menu chooses the scope.

    `layout.meta["views"]` maps each scope that has questions to its trace, for a page with
    buttons of its own. A star marks a rate that differs from a half by more than chance.
    """
    rows = comparison[
        (comparison["metric"] == "win_rate")
        & (comparison["criterion"] == criterion)
        & (comparison["query_set"] == query_set)
    ]
    systems = list(dict.fromkeys(comparison["system"]))
    systems = [one for one in systems if one in set(rows["system"])]
    scopes = [scope for scope in SCOPES if scope in set(rows["scope"])]
    figure = go.Figure(
        [
            _heat(rows[rows["scope"] == scope], systems, visible=place == 0)
            for place, scope in enumerate(scopes)
        ]
    )
    figure.update_layout(
        meta={"views": {scope: place for place, scope in enumerate(scopes)}},
        xaxis={"side": "top", "showgrid": False, "tickangle": -30, "fixedrange": True},
        yaxis={"autorange": "reversed", "showgrid": False, "fixedrange": True, "automargin": True},
        margin={"l": 8, "r": 80, "t": 100, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        updatemenus=[_menu(scopes)] if len(scopes) > 1 else [],
    )
    if not scopes:
        figure.add_annotation(text="No two systems answered the same questions.", showarrow=False)
    return figure


def _menu(scopes: list[str]) -> dict:
    # Below the cells: above them it would cover names where the picture is small, as in Kedro-Viz.
    return {
        "buttons": _buttons(scopes),
        "direction": "up",
        "x": 0,
        "xanchor": "left",
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 8},
    }


def _buttons(scopes: list[str]) -> list[dict]:
    return [
        {
            "label": scope,
            "method": "update",
            "args": [{"visible": [one == scope for one in scopes]}],
        }
        for scope in scopes
    ]


def _heat(rows: pd.DataFrame, systems: list[str], *, visible: bool) -> go.Heatmap:
    found = {(row["system"], row["baseline"]): row for row in rows.to_dict("records")}
    labels = [label_of(system) for system in systems]
    cells = [[found.get((one, other)) for other in systems] for one in systems]
    return go.Heatmap(
        x=labels,
        y=labels,
        z=[[None if cell is None else round(cell["value"], 4) for cell in line] for line in cells],
        text=[["" if cell is None else _percent(cell) for cell in line] for line in cells],
        customdata=[["" if cell is None else _told(cell) for cell in line] for line in cells],
        texttemplate="%{text}",
        textfont={"color": "#ffffff"},
        hovertemplate="%{y} against %{x}<br>%{customdata}<extra></extra>",
        hoverongaps=False,
        zmin=0,
        zmax=1,
        colorscale=[list(stop) for stop in _SCALE],
        showscale=False,
        xgap=2,
        ygap=2,
        visible=visible,
    )


def _percent(cell: dict) -> str:
    return f"{100 * cell['value']:.0f}{'*' if cell['p_holm'] < ALPHA else ''}"


def _told(cell: dict) -> str:
    interval = (
        ""
        if pd.isna(cell["ci_low"])
        else f" [{100 * cell['ci_low']:.0f}, {100 * cell['ci_high']:.0f}]"
    )
    return (
        f"{100 * cell['value']:.0f} %{interval}, n {cell['n']}, failed {cell['n_missing']}, "
        f"p {cell['p_holm']:.3g} after Holm"
    )
