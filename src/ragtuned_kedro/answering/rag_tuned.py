"""The candidate: the base model with the adapter that was tuned on the corpus."""

from pathlib import Path

from ragtuned_kedro.answering.systems import System
from ragtuned_kedro.language_models.recall import Recall
from ragtuned_kedro.language_models.transformers_local import load_local_model
from ragtuned_kedro.schemas.records import BaseModelFolder


def open_rag_tuned(
    base_model: BaseModelFolder,
    adapter: Path,
    *,
    batch_size: int,
    device: str,
    n_threads: int,
    recall: Recall | None = None,
) -> System:
    """Let the tuned model answer from memory, without retrieval.

    With `recall` it recalls several passages and says the one that it finds best on reading them.

    Raises:
        UserError: If the adapter is missing or belongs to another base model.
    """
    model = load_local_model(
        base_model,
        adapter=adapter,
        batch_size=batch_size,
        device=device,
        n_threads=n_threads,
        recall=recall,
    )
    return System("rag_tuned", model)
