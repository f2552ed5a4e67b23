"""What a run achieved, for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ragtuned_kedro.reporting.judge_tables import judge_tables
from ragtuned_kedro.reporting.score_rows import Figure, ScoreRow, duration, score_rows
from ragtuned_kedro.reporting.stages import StageLine, StageSeconds, stage_lines
from ragtuned_kedro.reporting.system_tables import system_tables


def closing_table(
    metrics: pd.DataFrame,
    comparison: pd.DataFrame,
    running_costs: pd.DataFrame,
    judge_metrics: pd.DataFrame,
    stage_rows: pd.DataFrame,
    stage_seconds: StageSeconds,
    *,
    candidate: str,
    baseline: str,
    whereabouts: Mapping[str, Any],
) -> RenderableType:
    """Lay out recall before and after tuning, all systems, what a judge said, stages, places.

    `whereabouts` names places (report, MLflow run, registered model); what is null is left out.
    Texts are shown as they are: square brackets in them are not console markup.
    """
    rows = score_rows(metrics, candidate=candidate, baseline=baseline)
    shown = [row for row in rows if row.criterion is None]
    scores: RenderableType = (
        _scores(shown) if shown else Text("No evaluation questions were asked: nothing to score.")
    )
    stages = _stages(stage_lines(stage_rows, stage_seconds))
    systems = system_tables(comparison, running_costs, candidate=candidate)
    judge = judge_tables(judge_metrics, candidate=candidate)
    return Group(Text(), scores, Text(), *systems, *judge, stages, Text(), _places(whereabouts))


def _scores(rows: Sequence[ScoreRow]) -> Table:
    # Everything fits into 80 columns, so nothing may take two lines.
    table = Table(title="What was remembered", title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for heading in ("base model", "after tuning", "points", "n", "failed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            Text(row.label.removesuffix(" questions")),
            _cell(row.before),
            _cell(row.after, bold=True),
            _cell(row.change),
            Text(str(row.n)),
            Text(str(row.n_missing)),
        )
    return table


def _cell(figure: Figure | None, *, bold: bool = False) -> Text:
    if figure is None:
        return Text("-", style="dim")
    value = figure.text.removesuffix(" points")
    # Costs have a unit instead of an interval.
    is_share = value.endswith("%") or value != figure.text
    interval = f" [{figure.interval.replace(' to ', ', ')}]" if figure.interval and is_share else ""
    return Text.assemble((value, "bold" if bold else ""), (interval, "dim"))


def _stages(stages: Sequence[StageLine]) -> Table:
    table = Table(title="Stages", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("rows", ratio=1)
    table.add_column("time", justify="right", no_wrap=True)
    for stage in stages:
        counts = ", ".join(f"{n:,} {_words(name)}" for name, n in stage.rows)
        seconds = Text("-") if stage.seconds is None else Text(duration(stage.seconds))
        table.add_row(Text(_words(stage.stage)), Text(counts, style="dim"), seconds)
    total = sum(stage.seconds or 0 for stage in stages)
    table.add_row(Text("all stages", style="bold"), Text(), Text(duration(total), style="bold"))
    return table


def _places(whereabouts: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column("")
    table.add_column("", overflow="fold")
    for name, place in whereabouts.items():
        if place is not None:
            table.add_row(Text(name), Text(str(place)))
    return table


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")
