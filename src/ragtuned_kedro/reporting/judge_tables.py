"""What a judge said, for the terminal: its verdicts, and right below them its errors."""

from functools import partial

import pandas as pd
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ragtuned_kedro.reporting.judge_rows import JudgeRows, judge_rows
from ragtuned_kedro.reporting.system_tables import (
    FittingTable,
    name_column,
    share_cell,
)


def judge_tables(judge_metrics: pd.DataFrame, *, candidate: str) -> list[RenderableType]:
    """Lay out win rates of the tuned model by criterion, in percent; nothing without a judge."""
    told = judge_rows(judge_metrics, candidate=candidate)
    if not told.judge:
        return []
    errors = name_column("and how far it can be trusted", is_narrow=False)
    for heading in ("%", "n", "no verdict"):
        errors.add_column(heading, justify="right")
    for sign in told.trust:
        cell = share_cell(sign.figure, starred=False, is_narrow=False)
        errors.add_row(Text(sign.label), cell, Text(str(sign.n)), Text(str(sign.n_missing)))
    return [FittingTable(partial(_won, told)), Text(), errors, Text()]


def _won(told: JudgeRows, is_narrow: bool) -> Table:
    title = f"How often {told.judge} finds the tuned model better, in %"
    won = name_column(title, is_narrow=is_narrow)
    for criterion in told.criteria:
        won.add_column(criterion.replace("_", "\n" if is_narrow else " "), justify="right")
    for heading in ("n", "no verdict"):
        won.add_column(heading, justify="right")
    for one in told.opponents:
        cells = [
            share_cell(
                one.won.get(criterion), starred=criterion in one.decided, is_narrow=is_narrow
            )
            for criterion in told.criteria
        ]
        won.add_row(Text(f"than {one.label}"), *cells, Text(str(one.n)), Text(str(one.n_missing)))
    return won
