"""What a system costs before its first answer and with each one, and when tuning pays off."""

from collections.abc import Mapping

import pandas as pd

from ragtuned_kedro.schemas.evaluation_tables import RunningCosts
from ragtuned_kedro.schemas.tables import frame_of


def measure_running_costs(
    comparison: pd.DataFrame, index_seconds: Mapping[str, float], *, query_set: str, candidate: str
) -> pd.DataFrame:
    """Put index seconds beside mean seconds per answer, as RunningCosts in the order of Metrics.

    A system of which it is not known what its index took is left out: it has no total.
    """
    answered = comparison[
        (comparison["metric"] == "seconds") & (comparison["query_set"] == query_set)
    ]
    costs = {
        row["system"]: (index_seconds[row["system"]], row["value"], row["n"])
        for row in answered.to_dict("records")
        if row["system"] in index_seconds
    }
    ours = costs.get(candidate)
    return frame_of(
        RunningCosts,
        [
            {
                "system": system,
                "index_seconds": index,
                "answer_seconds": answer,
                "n": n,
                "break_even_questions": None
                if ours is None or system == candidate
                else break_even(ours[0] - index, answer - ours[1]),
            }
            for system, (index, answer, n) in costs.items()
        ],
    )


def break_even(more_before: float, less_per_question: float) -> float | None:
    """Count the questions after which `more_before` is saved again; null if it never is."""
    if less_per_question <= 0:
        return None
    return max(0.0, more_before / less_per_question)
