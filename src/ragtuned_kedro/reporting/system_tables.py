"""Every system in a row of its own, for the terminal: quality by scope, and cost."""

from collections.abc import Sequence

import pandas as pd
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ragtuned_kedro.reporting.comparison_rows import (
    QUERY_SETS,
    ComparisonRows,
    SystemRow,
    comparison_rows,
    label_of,
)
from ragtuned_kedro.reporting.running_cost_rows import CostRow, running_cost_rows
from ragtuned_kedro.reporting.score_rows import Figure

_SCOPES = {
    "local": "local",
    "linked": "linked",
    "global": "global",
    "answerable": "answerable",
    "unanswerable": "false answers",
}
_COSTS = {
    "prompt_tokens": "tokens in",
    "completion_tokens": "out",
    "first_token_seconds": "first token",
    "seconds": "answer",
    "peak_memory_bytes": "memory",
}
_STAR = "*"


def system_tables(
    comparison: pd.DataFrame, running_costs: pd.DataFrame, *, candidate: str
) -> list[RenderableType]:
    """Lay out what every system remembers, by query set, and what it costs; 100 columns wide."""
    shown: list[RenderableType] = []
    for query_set, title in QUERY_SETS.items():
        compared = comparison_rows(comparison, candidate=candidate, query_set=query_set)
        if compared.rows:
            shown += [_qualities(compared, f"Every system, {title}"), Text()]
    first = comparison_rows(comparison, candidate=candidate, query_set=next(iter(QUERY_SETS)))
    if first.rows:
        costs = running_cost_rows(running_costs)
        shown += [_costs(first.rows, costs, candidate=candidate), Text()]
    return shown


def _qualities(compared: ComparisonRows, title: str) -> Table:
    table = name_column(title)
    known = [key for key in _SCOPES if key in compared.n_by_key]
    for key in known:
        table.add_column(f"{_SCOPES[key]}\nn={compared.n_by_key[key]}", justify="right")
    table.add_column("failed", justify="right")
    for row in compared.rows:
        cells = [share_cell(row.figures.get(key), starred=key in row.differs) for key in known]
        table.add_row(_name(row), *cells, Text(str(row.n_missing)))
    if any(row.differs for row in compared.rows):
        table.caption = (
            f"{_STAR} differs from the tuned model by more than chance (sign test, Holm)"
        )
        table.caption_justify = "left"
    return table


def _costs(rows: Sequence[SystemRow], costs: Sequence[CostRow], *, candidate: str) -> Table:
    table = name_column("What an answer costs, on average; memory at its peak")
    for heading in _COSTS.values():
        table.add_column(heading, justify="right")
    table.add_column("to prepare", justify="right")
    table.add_column("tuning pays off", justify="right")
    by_system = {cost.system: cost for cost in costs}
    for row in rows:
        cost = by_system.get(row.system)
        before = cost.index_text if cost else "-"
        pays = "" if row.is_candidate else cost.break_even_text if cost else "-"
        cells = [_plain(row.figures.get(key)) for key in _COSTS]
        table.add_row(_name(row), *cells, Text(before), Text(pays))
    return table


def name_column(title: str) -> Table:
    """Begin a table whose first column names systems."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    return table


def _name(row: SystemRow) -> Text:
    return Text(label_of(row.system), style="bold" if row.is_candidate else "")


def share_cell(figure: Figure | None, *, starred: bool) -> Text:
    """Write a share in percent with its interval, the sign left to the heading."""
    if figure is None:
        return Text("-", style="dim")
    interval = f" [{figure.interval.replace(' to ', ', ')}]" if figure.interval else ""
    star = _STAR if starred else " "
    return Text.assemble(figure.text.removesuffix(" %"), star, (interval, "dim"))


def _plain(figure: Figure | None) -> Text:
    return Text("-", style="dim") if figure is None else Text(figure.text.removesuffix(" tokens"))
