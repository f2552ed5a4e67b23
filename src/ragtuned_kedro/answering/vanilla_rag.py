"""Vanilla RAG: the passages nearest to the question, by words and by meaning, then the base model.

A small model loses itself in whole chunks: of the chunks that are fetched it is shown the nearest
sentences (docs/log.md has the figures). A larger one reads the chunks: set `n_sentences` to null.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ragtuned_kedro.answering.evidence import Evidence, Unit, keep_evidence, take_fitting
from ragtuned_kedro.answering.index_folder import Indexed, keep_index
from ragtuned_kedro.answering.reader import Reader, choose_model, open_model
from ragtuned_kedro.answering.systems import Gather, Query, System
from ragtuned_kedro.language_models.base_model import resolve_encoder
from ragtuned_kedro.language_models.boundary import LanguageModel
from ragtuned_kedro.language_models.embedder import (
    Embed,
    Embedder,
    Rerank,
    load_embedder,
    load_reranker,
)
from ragtuned_kedro.language_models.memory import PeakMemory
from ragtuned_kedro.language_models.weights import choose_device
from ragtuned_kedro.retrieval.hybrid import Hit
from ragtuned_kedro.retrieval.passages import Found, PassageIndex, title_chunks
from ragtuned_kedro.schemas.answering_parameters import (
    AnsweringParams,
    RetrievalParams,
    VanillaRagParams,
)
from ragtuned_kedro.schemas.model_parameters import BaseModelParams
from ragtuned_kedro.schemas.records import BaseModelFolder


def index_vanilla_rag(
    chunks: pd.DataFrame,
    sentences: pd.DataFrame,
    documents: pd.DataFrame,
    embedder_folder: Embedder,
    index_folder: Path,
    answering: AnsweringParams,
) -> tuple[Path, pd.DataFrame]:
    """Embed chunks and sentences: the folder of the index and its IndexCosts."""

    def build(folder: Path) -> list[Indexed]:
        embed = load_embedder(embedder_folder, device=answering.device)
        PassageIndex.build(chunks, sentences, documents, embed).save(folder)
        n_tokens = int(chunks["n_tokens"].sum())
        return [Indexed("chunk", len(chunks), n_tokens), Indexed("sentence", len(sentences), 0)]

    texts = [title_chunks(chunks, documents), list(sentences["sentence_id"])]
    return keep_index(index_folder, ["passages", embedder_folder.revision, texts], build)


def open_vanilla_rag(
    base_model_folder: BaseModelFolder,
    embedder_folder: Embedder,
    base_model_cache: Path,
    index: Path,
    prompt: str,
    base_model: BaseModelParams,
    answering: AnsweringParams,
    vanilla_rag: VanillaRagParams,
) -> System:
    """Let the base model answer from retrieved passages."""
    folder = choose_model(base_model_folder, vanilla_rag.model, base_model_cache)
    model = open_model(folder, base_model, answering)
    gather = retrieve_passages(
        folder, embedder_folder, base_model_cache, index, prompt, answering, vanilla_rag
    )
    return System("vanilla_rag", model, prompt, gather)


def retrieve_passages(
    reading_model: BaseModelFolder,
    embedder_folder: Embedder,
    cache: Path,
    index: Path,
    prompt: str,
    answering: AnsweringParams,
    retrieval: RetrievalParams,
    *,
    best_last: bool = True,
) -> Gather:
    """Build what fetches chunks, reranks them where there is a reranker, and takes the best.

    The best stands last, next to the question that follows it in a prompt, or first.
    """

    def gather(queries: Sequence[Query], _: LanguageModel) -> list[Evidence]:
        settings = retrieval.model_dump(mode="json", exclude={"model"})
        asked = [[query.query_id, query.text] for query in queries]
        reading = [reading_model.revision, prompt, answering.model_dump(mode="json"), best_last]
        return keep_evidence(index / "evidence", [settings, reading, asked], lambda: find(queries))

    def find(queries: Sequence[Query]) -> list[Evidence]:
        reader = Reader(reading_model)
        texts = [query.text for query in queries]
        room = reader.room(prompt, texts, max_new_tokens=answering.max_new_tokens)
        passages = PassageIndex.load(index)
        embed = load_embedder(embedder_folder, device=answering.device)
        choice = PassageChoice(
            passages,
            reader,
            _open_reranker(retrieval, cache, answering.device),
            n_chunks=retrieval.n_chunks,
            n_sentences=retrieval.n_sentences,
            room=min(room, retrieval.evidence_tokens),
            min_likeness=retrieval.min_likeness,
            abstention=answering.abstention,
            best_last=best_last,
        )
        with PeakMemory(choose_device(answering.device)) as peak:
            found, seconds = search_timed(passages, texts, embed, n_chunks=retrieval.n_fetched)
            chosen = [
                choice.evidence(query, one, seconds)
                for query, one in zip(queries, found, strict=True)
            ]
        return [replace(one, peak_memory_bytes=peak.n_bytes) for one in chosen]

    return gather


def search_timed(
    passages: PassageIndex, texts: Sequence[str], embed: Embed, *, n_chunks: int
) -> tuple[list[Found], float]:
    """Search for all queries at once; also the seconds that one of them took."""
    # Loading the weights is no part of answering.
    embed(["weights"])
    started = time.monotonic()
    found = passages.search(texts, embed, n_chunks=n_chunks)
    return found, (time.monotonic() - started) / max(1, len(texts))


@dataclass(frozen=True)
class PassageChoice:
    """How the evidence of one query is chosen from what was found.

    Where the nearest sentence is not as near as `min_likeness`, the documents do not say what is
    asked for, and the reply is `abstention`.
    """

    passages: PassageIndex
    reader: Reader
    rerank: Rerank | None
    n_chunks: int
    n_sentences: int | None
    room: int
    min_likeness: float
    abstention: str
    best_last: bool

    def evidence(self, query: Query, found: Found, seconds: float) -> Evidence:
        """Choose chunks, and the nearest sentences in them unless whole chunks are wanted."""
        started = time.monotonic()
        hits = self._reranked(query, found.chunks)
        is_close = found.nearest >= self.min_likeness
        best = hits[: self.n_chunks] if is_close else []
        if self.n_sentences is None:
            text, units = self.take("chunk", best)
            used = {unit.unit_id for unit in units if unit.is_used}
        else:
            nearest = self.passages.best_sentences(
                found, {hit.unit_id for hit in best}, n_sentences=self.n_sentences
            )
            text, units = self.take("sentence", nearest)
            used = {self.passages.chunk_of(unit.unit_id) for unit in units if unit.is_used}
        chunks = tuple(
            Unit(
                "chunk",
                hit.unit_id,
                hit.score,
                self.reader.count_tokens(hit.text),
                hit.unit_id in used,
            )
            for hit in hits
        )
        return Evidence(
            query.query_id,
            text,
            chunks if self.n_sentences is None else chunks + units,
            seconds=seconds + time.monotonic() - started,
            reply=None if is_close else self.abstention,
        )

    def take(self, kind: str, hits: Sequence[Hit]) -> tuple[str, tuple[Unit, ...]]:
        """Fill the room, best first; the best itself is cut where it is longer than the room."""
        # One token more for the line break.
        sizes = [self.reader.count_tokens(hit.text) + 1 for hit in hits]
        sizes[:1] = [min(size, self.room) for size in sizes[:1]]
        fits = take_fitting(sizes, room=self.room)
        taken = [hit.text for hit, fit in zip(hits, fits, strict=True) if fit]
        taken[:1] = [self.reader.cut(text, self.room) for text in taken[:1]]
        return "\n".join(taken[::-1] if self.best_last else taken), tuple(
            Unit(kind, hit.unit_id, hit.score, size, fit)
            for hit, size, fit in zip(hits, sizes, fits, strict=True)
        )

    def _reranked(self, query: Query, hits: list[Hit]) -> list[Hit]:
        if self.rerank is None or not hits:
            return hits
        scores = self.rerank(query.text, [hit.text for hit in hits])
        rescored = [
            Hit(hit.unit_id, hit.text, float(score))
            for hit, score in zip(hits, scores, strict=True)
        ]
        return sorted(rescored, key=lambda hit: -hit.score)


def _open_reranker(retrieval: RetrievalParams, cache: Path, device: str) -> Rerank | None:
    if retrieval.reranker is None:
        return None
    folder = resolve_encoder(**retrieval.reranker.model_dump(), cache=cache, setting="reranker")
    return load_reranker(folder, device=device)
