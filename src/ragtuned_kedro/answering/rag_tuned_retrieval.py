"""The tuned model with vanilla RAG's passages before it: memory and retrieval together."""

from pathlib import Path

from ragtuned_kedro.answering.rag_tuned import open_rag_tuned
from ragtuned_kedro.answering.systems import System
from ragtuned_kedro.answering.vanilla_rag import retrieve_passages
from ragtuned_kedro.language_models.embedder import Embedder
from ragtuned_kedro.schemas.parameters import AnsweringParams, BaseModelParams, RetrievalParams
from ragtuned_kedro.schemas.records import BaseModelFolder


def open_rag_tuned_retrieval(
    base_model_folder: BaseModelFolder,
    adapter: Path,
    embedder_folder: Embedder,
    base_model_cache: Path,
    index: Path,
    prompt: str,
    base_model: BaseModelParams,
    answering: AnsweringParams,
    rag_tuned_retrieval: RetrievalParams,
) -> System:
    """Let the tuned model answer from the passages that vanilla RAG finds.

    Raises:
        UserError: If the adapter is missing or belongs to another base model.
    """
    tuned = open_rag_tuned(
        base_model_folder,
        adapter,
        batch_size=answering.batch_size,
        device=answering.device,
        n_threads=base_model.n_threads,
    )
    gather = retrieve_passages(
        base_model_folder,
        embedder_folder,
        base_model_cache,
        index,
        prompt,
        answering,
        rag_tuned_retrieval,
    )
    return System("rag_tuned_retrieval", tuned.model, prompt, gather)
