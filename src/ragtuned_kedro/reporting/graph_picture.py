"""The knowledge graph as a picture: entities coloured by community, one level at a time."""

import html
import textwrap
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from ragtuned_kedro.reporting.graph_layout import Positions, place_entities
from ragtuned_kedro.reporting.homes import colours_at, homes_at, levels_of
from ragtuned_kedro.reporting.palette import EDGE, NO_COMMUNITY

# Pixels of the drawing area that labels are kept apart in; only their ratio to the text matters.
_WIDTH, _HEIGHT, _LETTER, _LINE = 640, 560, 7.5, 19
_HOVER_CHARACTERS = 260
# Thirds of the relationships by weight, weakest first, in pixels.
_EDGE_WIDTHS = (0.6, 1.2, 2.4)
# Room around the outermost dots, as a share of the picture, so that their labels are not cut.
_MARGIN = 0.09


@dataclass(frozen=True)
class _Drawing:
    """The drawn part of the graph: the best-connected entities and where they lie."""

    entities: pd.DataFrame
    relationships: pd.DataFrame
    positions: Positions


def draw_graph(
    entities: pd.DataFrame,
    relationships: pd.DataFrame,
    communities: pd.DataFrame,
    community_members: pd.DataFrame,
    community_reports: pd.DataFrame,
    *,
    max_entities: int,
    n_labels: int,
    seed: int,
) -> go.Figure:
    """Draw the `max_entities` best-connected entities; a menu chooses the community level.

    `layout.meta` tells a page with its own buttons which trace shows which level, and which
    traces need the page's text colour. Texts from documents are escaped: plotly reads a little
    HTML in hover boxes.
    """
    drawing = _choose(entities, relationships, max_entities=max_entities, seed=seed)
    levels = levels_of(communities)
    figure = go.Figure(_edge_traces(drawing))
    n_edges = len(figure.data)
    titles = dict(zip(community_reports["community_id"], community_reports["title"], strict=True))
    for place, level in enumerate(levels or [0]):
        homes = homes_at(community_members, level=level)
        colours = colours_at(communities, level=level)
        figure.add_trace(_entity_trace(drawing, homes, colours, titles, visible=place == 0))
    figure.add_trace(_label_trace(drawing, n_labels=n_labels))
    _frame(figure, drawing.positions)
    _lay_out(figure, levels, n_edges=n_edges, n_hidden=len(entities) - len(drawing.entities))
    return figure


def _choose(
    entities: pd.DataFrame, relationships: pd.DataFrame, *, max_entities: int, seed: int
) -> _Drawing:
    ordered = entities.sort_values(
        ["degree", "n_mentions", "entity_id"], ascending=[False, False, True]
    )
    chosen = ordered.head(max_entities)
    drawn = set(chosen["entity_id"])
    inside = relationships["source_id"].isin(drawn) & relationships["target_id"].isin(drawn)
    kept = relationships[inside].sort_values("relationship_id")
    return _Drawing(chosen, kept, place_entities(sorted(drawn), kept, seed=seed))


def _edge_traces(drawing: _Drawing) -> list[go.Scatter]:
    ordered = drawing.relationships.sort_values(["weight", "relationship_id"])
    traces = []
    for third, width in enumerate(_EDGE_WIDTHS):
        start, end = (len(ordered) * step // len(_EDGE_WIDTHS) for step in (third, third + 1))
        xs: list[float | None] = []
        ys: list[float | None] = []
        for row in ordered.iloc[start:end].to_dict("records"):
            (x0, y0), (x1, y1) = (drawing.positions[row[key]] for key in ("source_id", "target_id"))
            xs += [x0, x1, None]
            ys += [y0, y1, None]
        line = {"color": EDGE, "width": width}
        traces.append(go.Scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip"))
    return traces


def _entity_trace(
    drawing: _Drawing,
    homes: dict[str, str],
    colours: dict[str, str],
    titles: dict[str, str],
    *,
    visible: bool,
) -> go.Scatter:
    rows = drawing.entities.to_dict("records")
    sizes = _sizes(drawing)
    return go.Scatter(
        x=[drawing.positions[row["entity_id"]][0] for row in rows],
        y=[drawing.positions[row["entity_id"]][1] for row in rows],
        mode="markers",
        visible=visible,
        marker={
            "size": [sizes[row["entity_id"]] for row in rows],
            "color": [colours.get(homes.get(row["entity_id"], ""), NO_COMMUNITY) for row in rows],
            "line": {"width": 1, "color": "rgba(255,255,255,0.75)"},
            "opacity": 1,
        },
        hovertext=[_hover(row, titles.get(homes.get(row["entity_id"], ""))) for row in rows],
        hoverinfo="text",
        customdata=[homes.get(row["entity_id"]) for row in rows],
    )


def _hover(row: dict, community: str | None) -> str:
    facts = f"{_plain(row['type'])} · {row['degree']} relationships · {row['n_mentions']} mentions"
    lines = [f"<b>{_plain(row['name'])}</b>", facts]
    description = textwrap.shorten(str(row["description"]), _HOVER_CHARACTERS, placeholder=" …")
    lines += [_plain(line) for line in textwrap.wrap(description, 56)]
    if community:
        lines += [f"<i>{_plain(line)}</i>" for line in textwrap.wrap(str(community), 56)]
    return "<br>".join(lines)


def _plain(text: object) -> str:
    return html.escape(str(text), quote=False)


def _label_trace(drawing: _Drawing, *, n_labels: int) -> go.Scatter:
    labelled = _without_collisions(drawing)[:n_labels]
    sizes = _sizes(drawing)
    return go.Scatter(
        x=[drawing.positions[row["entity_id"]][0] for row in labelled],
        y=[drawing.positions[row["entity_id"]][1] for row in labelled],
        text=[_plain(textwrap.shorten(row["name"], 28, placeholder="…")) for row in labelled],
        # The unseen dots are as large as the seen ones, so that the text stands clear of them.
        mode="markers+text",
        marker={"size": [sizes[row["entity_id"]] for row in labelled], "opacity": 0},
        textposition="top center",
        textfont={"size": 12},
        hoverinfo="skip",
    )


def _sizes(drawing: _Drawing) -> dict[str, float]:
    degrees = dict(zip(drawing.entities["entity_id"], drawing.entities["degree"], strict=True))
    most = max(degrees.values(), default=0) or 1
    # Dots share one picture: the more there are, the smaller they have to be.
    largest = min(30.0, 30 * (70 / max(len(degrees), 1)) ** 0.5)
    return {
        name: largest * (0.27 + 0.73 * (degree / most) ** 0.5) for name, degree in degrees.items()
    }


def _without_collisions(drawing: _Drawing) -> list[dict]:
    """Keep, best-connected first, the entities whose label would cover no earlier one."""
    if not drawing.positions:
        return []
    xs, ys = zip(*drawing.positions.values(), strict=True)
    width, height = (max(max(axis) - min(axis), 1e-9) for axis in (xs, ys))
    kept: list[tuple[float, float, float]] = []
    rows = []
    for row in drawing.entities.to_dict("records"):
        at = drawing.positions[row["entity_id"]]
        left, top = (at[0] - min(xs)) / width * _WIDTH, (at[1] - min(ys)) / height * _HEIGHT
        half = len(row["name"][:28]) * _LETTER / 2
        if all(abs(left - x) > half + wide or abs(top - y) > _LINE for x, y, wide in kept):
            kept.append((left, top, half))
            rows.append(row)
    return rows


def _frame(figure: go.Figure, positions: Positions) -> None:
    ranges = []
    for axis in (0, 1):
        along = [place[axis] for place in positions.values()] or [0.0]
        room = _MARGIN * ((max(along) - min(along)) or 1.0)
        ranges.append([min(along) - room, max(along) + room])
    figure.update_layout(
        xaxis={"visible": False, "range": ranges[0]}, yaxis={"visible": False, "range": ranges[1]}
    )


def _lay_out(figure: go.Figure, levels: list[int], *, n_edges: int, n_hidden: int) -> None:
    n_levels = max(len(levels), 1)
    figure.update_layout(
        showlegend=False,
        hovermode="closest",
        dragmode="pan",
        margin={"l": 8, "r": 8, "t": 48, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"align": "left"},
        meta={
            "level_traces": {str(level): n_edges + at for at, level in enumerate(levels)},
            "label_traces": [n_edges + n_levels],
            "n_hidden": n_hidden,
        },
    )
    if len(levels) > 1:
        figure.update_layout(updatemenus=[_level_menu(levels, n_edges=n_edges)])


def _level_menu(levels: list[int], *, n_edges: int) -> dict:
    return {
        "x": 0,
        "y": 1.0,
        "xanchor": "left",
        "yanchor": "bottom",
        "buttons": [
            {
                "label": f"Community level {level}",
                "method": "update",
                "args": [
                    {
                        "visible": [True] * n_edges
                        + [place == at for place in range(len(levels))]
                        + [True]
                    }
                ],
            }
            for at, level in enumerate(levels)
        ],
    }
