"""Every system in a row of its own, for the terminal: quality by scope, and cost."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pandas as pd
from rich.console import Console, ConsoleOptions, RenderableType
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


class FittingTable:
    """A table that `build(is_narrow)` makes: narrow where the wide one would not fit."""

    def __init__(self, build: Callable[[bool], Table]) -> None:
        self._build = build

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Measure the wide table without bounds, and choose."""
        wide = self._build(False)
        needed = console.measure(wide, options=options.update(width=10_000)).maximum
        yield wide if needed <= options.max_width else self._build(True)


def system_tables(
    comparison: pd.DataFrame, running_costs: pd.DataFrame, *, candidate: str
) -> list[RenderableType]:
    """Lay out what every system remembers, by query set, and what it costs.

    In less than 100 columns intervals stand below their numbers; 80 are enough.
    """
    shown: list[RenderableType] = []
    for query_set, title in QUERY_SETS.items():
        compared = comparison_rows(comparison, candidate=candidate, query_set=query_set)
        if compared.rows:
            shown += [FittingTable(partial(_qualities, compared, f"Every system, {title}")), Text()]
    first = comparison_rows(comparison, candidate=candidate, query_set=next(iter(QUERY_SETS)))
    if first.rows:
        costs = running_cost_rows(running_costs)
        shown += [FittingTable(partial(_costs, first.rows, costs, candidate)), Text()]
    return shown


def _qualities(compared: ComparisonRows, title: str, is_narrow: bool) -> Table:
    table = name_column(title, is_narrow=is_narrow)
    known = [key for key in _SCOPES if key in compared.n_by_key]
    for key in known:
        heading = _SCOPES[key].replace(" ", "\n") if is_narrow else _SCOPES[key]
        table.add_column(f"{heading}\nn={compared.n_by_key[key]}", justify="right", no_wrap=True)
    table.add_column("failed", justify="right")
    for row in compared.rows:
        cells = [
            share_cell(row.figures.get(key), starred=key in row.differs, is_narrow=is_narrow)
            for key in known
        ]
        table.add_row(_name(row), *cells, Text(str(row.n_missing)))
    if any(row.differs for row in compared.rows):
        table.caption = (
            f"{_STAR} differs from the tuned model by more than chance (sign test, Holm)"
        )
        table.caption_justify = "left"
    return table


def _costs(
    rows: Sequence[SystemRow], costs: Sequence[CostRow], candidate: str, is_narrow: bool
) -> Table:
    title = "What an answer costs, on average; memory at its peak"
    table = name_column(title, is_narrow=is_narrow)
    for heading in (*_COSTS.values(), "to prepare", "tuning pays off"):
        shown = heading.replace(" ", "\n", 1) if is_narrow else heading
        table.add_column(shown, justify="right", no_wrap=True)
    by_system = {cost.system: cost for cost in costs}
    for row in rows:
        cost = by_system.get(row.system)
        before = cost.index_text if cost else "-"
        pays = "" if row.is_candidate else cost.break_even_text if cost else "-"
        cells = [_plain(row.figures.get(key)) for key in _COSTS]
        table.add_row(_name(row), *cells, Text(before), Text(pays))
    return table


def name_column(title: str, *, is_narrow: bool) -> Table:
    """Begin a table whose first column names systems; a narrow one has less between columns."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.padding = (0, 1, 0, 0) if is_narrow else (0, 1)
    table.add_column("", no_wrap=True)
    return table


def _name(row: SystemRow) -> Text:
    return Text(label_of(row.system), style="bold" if row.is_candidate else "")


def share_cell(figure: Figure | None, *, starred: bool, is_narrow: bool) -> Text:
    """Write a share in percent, the sign left to the heading, with its interval or above it."""
    if figure is None:
        return Text("-", style="dim")
    bounds = f"[{figure.interval.replace(' to ', ', ')}]" if figure.interval else ""
    gap = "\n" if is_narrow else " "
    interval = gap + bounds if bounds else ""
    star = _STAR if starred else " "
    return Text.assemble(figure.text.removesuffix(" %"), star, (interval, "dim"))


def _plain(figure: Figure | None) -> Text:
    return Text("-", style="dim") if figure is None else Text(figure.text.removesuffix(" tokens"))
