"""The baseline: the base model as it was published, with nothing of the corpus in it."""

from ragtuned_kedro.answering.systems import System
from ragtuned_kedro.language_models.transformers_local import load_local_model
from ragtuned_kedro.schemas.records import BaseModelFolder


def open_base_model(
    base_model: BaseModelFolder, *, batch_size: int, device: str, n_threads: int
) -> System:
    """Let the base model answer from its own memory, unquantized: the baseline at its best."""
    model = load_local_model(
        base_model, adapter=None, batch_size=batch_size, device=device, n_threads=n_threads
    )
    return System("base_model", model)
