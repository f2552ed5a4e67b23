from pathlib import Path

import pandas as pd

from ragtuned_kedro.answering import systems
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams
from ragtuned_kedro.schemas.synthesis_parameters import ExampleParams


def answer_queries(
    system: systems.System,
    queries: pd.DataFrame,
    completion_folder: Path,
    answering: AnsweringParams,
    examples: ExampleParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask the system every query: its answers and what it retrieved for them."""
    return systems.answer_queries(
        system,
        queries,
        completion_folder=completion_folder,
        system_prompt=examples.system_prompt,
        max_new_tokens=answering.max_new_tokens,
    )
