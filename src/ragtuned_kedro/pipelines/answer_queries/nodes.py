from pathlib import Path

import pandas as pd

from ragtuned_kedro.answering import systems
from ragtuned_kedro.schemas.parameters import AnsweringParams, BaseModelParams, ExampleParams
from ragtuned_kedro.schemas.records import BaseModelFolder

# torch takes seconds to import, and every command of the project imports this file.


def open_base_model(
    base_model_folder: BaseModelFolder, base_model: BaseModelParams, answering: AnsweringParams
) -> systems.System:
    """Open the baseline."""
    from ragtuned_kedro.answering import base_model as system

    return system.open_base_model(
        base_model_folder,
        batch_size=answering.batch_size,
        device=answering.device,
        n_threads=base_model.n_threads,
    )


def open_rag_tuned(
    base_model_folder: BaseModelFolder,
    adapter: Path,
    base_model: BaseModelParams,
    answering: AnsweringParams,
) -> systems.System:
    """Open the candidate."""
    from ragtuned_kedro.answering import rag_tuned as system

    return system.open_rag_tuned(
        base_model_folder,
        adapter,
        batch_size=answering.batch_size,
        device=answering.device,
        n_threads=base_model.n_threads,
    )


def answer_queries(
    system: systems.System,
    evaluation_queries: pd.DataFrame,
    completion_folder: Path,
    answering: AnsweringParams,
    examples: ExampleParams,
) -> pd.DataFrame:
    """Ask the system every query."""
    return systems.answer_queries(
        system,
        evaluation_queries,
        completion_folder=completion_folder,
        system_prompt=examples.system_prompt,
        max_new_tokens=answering.max_new_tokens,
    )
