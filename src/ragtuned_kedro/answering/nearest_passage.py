"""The nearest passage, repeated: retrieval that no model reads.

The tuned model answers with passages, so what a passage says beyond the fact asked for helps it.
The fair rival says passages too: it fetches like vanilla RAG and repeats the nearest sentences, as
many as an answer may have tokens. A small model that reads them loses more than it finds
(docs/log.md has the figures).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ragtuned_kedro.answering.evidence import Evidence
from ragtuned_kedro.answering.reader import Reader
from ragtuned_kedro.answering.systems import Gather, Query, System
from ragtuned_kedro.answering.vanilla_rag import retrieve_passages
from ragtuned_kedro.language_models.boundary import LanguageModel
from ragtuned_kedro.language_models.embedder import Embedder
from ragtuned_kedro.language_models.scripted import ScriptedModel
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams, RetrievalParams
from ragtuned_kedro.schemas.records import BaseModelFolder


def open_nearest_passage(
    base_model_folder: BaseModelFolder,
    embedder_folder: Embedder,
    base_model_cache: Path,
    index: Path,
    answering: AnsweringParams,
    nearest_passage: RetrievalParams,
) -> System:
    """Let what is fetched be the answer."""
    gather = repeat_passages(
        base_model_folder, embedder_folder, base_model_cache, index, answering, nearest_passage
    )
    # Every evidence is a reply, so the model is there in name only.
    silent = ScriptedModel(lambda _: answering.abstention, model_id="nearest_passage")
    return System("nearest_passage", silent, gather=gather)


def repeat_passages(
    tokenizer: BaseModelFolder,
    embedder_folder: Embedder,
    cache: Path,
    index: Path,
    answering: AnsweringParams,
    retrieval: RetrievalParams,
) -> Gather:
    """Build what makes the nearest passage the reply, in no more tokens than an answer may have.

    Of the model in `tokenizer` only the tokens count.
    """
    room = min(retrieval.evidence_tokens, answering.max_new_tokens)
    find = retrieve_passages(
        tokenizer,
        embedder_folder,
        cache,
        index,
        "",
        answering,
        retrieval.model_copy(update={"evidence_tokens": room}),
        best_last=False,
    )

    def gather(queries: Sequence[Query], model: LanguageModel) -> list[Evidence]:
        reader = Reader(tokenizer)
        return [repeat(one, reader) for one in find(queries, model)]

    return gather


def repeat(evidence: Evidence, reader: Reader) -> Evidence:
    """Make the text the reply, at the tokens that a model would need to say it."""
    if evidence.reply is not None:
        return evidence
    n_tokens = reader.count_tokens(evidence.text)
    return replace(evidence, reply=evidence.text, n_completion_tokens=n_tokens)
