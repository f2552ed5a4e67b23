"""Running costs in words: what has to be paid before the first answer, and when tuning pays off."""

from dataclasses import dataclass

import pandas as pd

from ragtuned_kedro.reporting.score_rows import duration

# Beyond so many questions nobody will wait for it.
_MANY = 1e7


@dataclass(frozen=True)
class CostRow:
    """One system: seconds before the first answer and per answer, and the break-even in words."""

    system: str
    index_seconds: float
    answer_seconds: float
    break_even: float | None
    index_text: str
    break_even_text: str


def running_cost_rows(running_costs: pd.DataFrame) -> list[CostRow]:
    """Write RunningCosts in words."""
    rows = []
    for row in running_costs.to_dict("records"):
        found = None if pd.isna(row["break_even_questions"]) else row["break_even_questions"]
        rows.append(
            CostRow(
                row["system"],
                row["index_seconds"],
                row["answer_seconds"],
                found,
                duration(row["index_seconds"]),
                _break_even(found),
            )
        )
    return rows


def _break_even(n_questions: float | None) -> str:
    if n_questions is None or n_questions > _MANY:
        return "never"
    return "at once" if n_questions == 0 else f"after {n_questions:,.0f}"
