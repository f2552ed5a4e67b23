"""The report: one HTML file that loads nothing, in which documents are data and never markup."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ragtuned_kedro.reporting.asked_rows import asked_rows
from ragtuned_kedro.reporting.comparison_rows import (
    COSTS,
    OVERLAPS,
    QUALITIES,
    QUERY_SETS,
    comparison_rows,
)
from ragtuned_kedro.reporting.homes import colours_at, communities_at, levels_of
from ragtuned_kedro.reporting.judge_rows import judge_rows
from ragtuned_kedro.reporting.running_cost_rows import running_cost_rows
from ragtuned_kedro.reporting.score_rows import ScoreRow, duration, score_rows
from ragtuned_kedro.reporting.stages import StageSeconds, ledger_lines, stage_lines

# Inside <script> only these can end the element or open a comment; JSON reads the escapes back.
_JSON_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}
# An HTML parser would turn a carriage return into a line feed before the browser hashes it.
_LINE_ENDS = str.maketrans({"\r": "\n"})


@dataclass(frozen=True)
class Pictures:
    """The figures of the page."""

    scorecard: go.Figure
    matrix: go.Figure
    quality: go.Figure
    total: go.Figure
    graph: go.Figure
    loss: go.Figure


@dataclass(frozen=True)
class ReportTables:
    """The tables of the page."""

    metrics: pd.DataFrame
    comparison: pd.DataFrame
    running_costs: pd.DataFrame
    judge_metrics: pd.DataFrame
    stage_rows: pd.DataFrame
    ledger: pd.DataFrame
    communities: pd.DataFrame
    community_reports: pd.DataFrame
    report_findings: pd.DataFrame
    spendings: pd.DataFrame
    disclosures: pd.DataFrame
    grounding_calibration: pd.DataFrame


def render_page(
    tables: ReportTables,
    pictures: Pictures,
    *,
    title: str,
    candidate: str,
    baseline: str,
    stage_seconds: StageSeconds,
    examples: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    adapter_card: Mapping[str, Any],
    registration: Mapping[str, Any],
    max_reports: int,
) -> str:
    """Render the report as one self-contained page.

    A content security policy forbids every request and runs only the scripts that were written
    here (by their hashes), so that a text that slipped through escaping would still be inert.
    """
    scripts = [_clean(get_plotlyjs()), _clean(_asset("report.js"))]
    rows = score_rows(tables.metrics, candidate=candidate, baseline=baseline)
    stages = stage_lines(tables.stage_rows, stage_seconds)
    page = _environment().from_string(_asset("report.html.j2"))
    return page.render(
        title=title,
        policy=_policy(scripts),
        scripts=[Markup(script) for script in scripts],  # noqa: S704 - our own files, unescaped
        style=Markup(_asset("report.css")),  # noqa: S704 - our own file
        pictures={
            name: Markup(_figure_json(figure))  # noqa: S704 - escaped for a script element
            for name, figure in vars(pictures).items()
        },
        headline=[row for row in rows if _is_headline(row)],
        rows=rows,
        compared=[
            (title, comparison_rows(tables.comparison, candidate=candidate, query_set=query_set))
            for query_set, title in QUERY_SETS.items()
        ],
        columns={"qualities": QUALITIES, "overlaps": OVERLAPS, "costs": COSTS},
        running_costs={row.system: row for row in running_cost_rows(tables.running_costs)},
        asked=asked_rows(tables.spendings, tables.disclosures, tables.grounding_calibration),
        judged=judge_rows(tables.judge_metrics, candidate=candidate),
        views=list((pictures.matrix.layout.meta or {}).get("views", {})),
        stages=stages,
        total_seconds=sum(stage.seconds or 0 for stage in stages),
        n_rows={row["dataset"]: row["n_rows"] for row in tables.stage_rows.to_dict("records")},
        ledger=ledger_lines(tables.ledger),
        levels=_reports_by_level(tables, max_reports=max_reports),
        has_validation=any(trace.name == "validation" for trace in pictures.loss.data),
        n_hidden=(pictures.graph.layout.meta or {}).get("n_hidden", 0),
        examples=examples,
        settings=_flat(settings),
        adapter_card=_flat(adapter_card),
        registration=registration,
    )


def _environment() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["duration"] = duration
    environment.filters["words"] = lambda name: str(name).replace("_", " ").replace(".", " ")
    environment.filters["answer"] = _answer
    environment.filters["count"] = lambda n: f"{n:,}".replace(",", "\u202f")
    return environment


def _answer(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "\u2013"
    return "\u2013" if value is None else value


def _asset(name: str) -> str:
    return (resources.files("ragtuned_kedro.reporting") / name).read_text(encoding="utf-8")


def _clean(script: str) -> str:
    return script.replace("\r\n", "\n").translate(_LINE_ENDS)


def _policy(scripts: Sequence[str]) -> str:
    hashes = (
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts
    )
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    # Plotly writes style elements of its own and exports pictures through data: addresses.
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _figure_json(figure: go.Figure) -> str:
    # The default template is 7 KB of styles that the page sets itself.
    bare = go.Figure(figure).update_layout(template="none")
    # The page has its own buttons, which switch the table beside the picture too.
    bare.layout.updatemenus = ()
    return str(bare.to_json()).translate(_JSON_ESCAPES)


def _is_headline(row: ScoreRow) -> bool:
    if row.metric == "recall":
        return row.scope != "answerable"
    return row.metric == "false_answer_rate"


def _reports_by_level(tables: ReportTables, *, max_reports: int) -> list[dict[str, Any]]:
    """Give each level its communities' reports, best rated first, in the picture's colours.

    A community that is not split again is shown at all finer levels too, as in the picture.
    """
    findings = (
        tables.report_findings.sort_values("position")
        .groupby("community_id")["explanation"]
        .agg(list)
        .to_dict()
    )
    joined = tables.communities.merge(
        tables.community_reports[["community_id", "title", "summary", "rating"]],
        on="community_id",
        how="left",
    )
    # A community without a report was refused one; it keeps its place and its colour.
    joined = joined.fillna({"title": "(no report)", "summary": "", "rating": 0.0})
    shown = []
    for level in levels_of(tables.communities):
        here = communities_at(joined, level=level)
        colours = colours_at(tables.communities, level=level)
        ordered = here.sort_values(
            ["rating", "n_entities", "community_id"], ascending=[False, False, True]
        )
        reports = [
            {
                **row,
                "colour": colours[row["community_id"]],
                "findings": findings.get(row["community_id"], []),
            }
            for row in ordered.head(max_reports).to_dict("records")
        ]
        shown.append({"level": level, "n_communities": len(here), "reports": reports})
    return shown


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Write nested settings as `block.key` and text, in the order given."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if hasattr(value, "model_dump"):
            value = value.model_dump()
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}.")
        elif isinstance(value, str):
            flat[name] = value
        else:
            flat[name] = json.dumps(value, default=str, ensure_ascii=False)
    return flat
