"""The tuned model with retrieval: memory tells whether the documents say it, retrieval says it.

A likeness to the nearest sentence does not tell what the documents leave out, and the tuned model,
which was taught what they hold, does; in turn, what it recalls is less often the right passage than
what is retrieved (docs/log.md has the figures). So it is asked first, and where it does not refuse
the nearest passage is the answer.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ragtuned_kedro.answering.evidence import Evidence
from ragtuned_kedro.answering.nearest_passage import repeat_passages
from ragtuned_kedro.answering.systems import Gather, Query, System, build_prompt
from ragtuned_kedro.language_models.boundary import LanguageModel
from ragtuned_kedro.language_models.embedder import Embedder
from ragtuned_kedro.schemas.answering_parameters import (
    AnsweringParams,
    RecallParams,
    RetrievalParams,
)
from ragtuned_kedro.schemas.model_parameters import BaseModelParams
from ragtuned_kedro.schemas.records import BaseModelFolder, Completion
from ragtuned_kedro.schemas.synthesis_parameters import ExampleParams


def open_rag_tuned_retrieval(
    base_model_folder: BaseModelFolder,
    adapter: Path,
    embedder_folder: Embedder,
    base_model_cache: Path,
    index: Path,
    base_model: BaseModelParams,
    answering: AnsweringParams,
    examples: ExampleParams,
    rag_tuned: RecallParams,
    rag_tuned_retrieval: RetrievalParams,
) -> System:
    """Let the tuned model refuse, and retrieval answer what it does not refuse.

    Raises:
        UserError: If the adapter is missing or belongs to another base model.
    """
    # torch takes seconds to import, and every command of the project imports this file.
    from ragtuned_kedro.answering.rag_tuned import open_rag_tuned
    from ragtuned_kedro.language_models.recall import Recall

    tuned = open_rag_tuned(
        base_model_folder,
        adapter,
        batch_size=answering.batch_size,
        device=answering.device,
        n_threads=base_model.n_threads,
        recall=Recall.of(answering.abstention, **rag_tuned.model_dump()),
    )
    passages = repeat_passages(
        base_model_folder,
        embedder_folder,
        base_model_cache,
        index,
        answering,
        rag_tuned_retrieval,
    )
    gather = remember_first(passages, answering, system_prompt=examples.system_prompt)
    return System("rag_tuned_retrieval", tuned.model, gather=gather)


def remember_first(passages: Gather, answering: AnsweringParams, *, system_prompt: str) -> Gather:
    """Build what asks the model, and `passages` for the queries that the model does not refuse."""

    def gather(queries: Sequence[Query], model: LanguageModel) -> list[Evidence]:
        prompts = [
            build_prompt(query.query_id, query.text, system_prompt=system_prompt)
            for query in queries
        ]
        recalled = model.complete(prompts, max_new_tokens=answering.max_new_tokens)
        known = [
            query
            for query, one in zip(queries, recalled, strict=True)
            if one.error is None and one.text != answering.abstention
        ]
        found = {one.query_id: one for one in passages(known, model)}
        return [
            put_together(one, found.get(one.key, Evidence(one.key, "", reply=one.text)))
            for one in recalled
        ]

    return gather


def put_together(recalled: Completion, passage: Evidence) -> Evidence:
    """Answer with the passage, at the cost of recalling and finding."""
    return replace(
        passage,
        seconds=recalled.seconds + passage.seconds,
        n_prompt_tokens=recalled.n_prompt_tokens + passage.n_prompt_tokens,
        n_completion_tokens=recalled.n_completion_tokens + passage.n_completion_tokens,
        peak_memory_bytes=max(recalled.peak_memory_bytes, passage.peak_memory_bytes),
        error=recalled.error,
    )
