"""Chunks and their sentences, found by words and by meaning."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ragtuned_kedro.language_models.embedder import Embed
from ragtuned_kedro.retrieval.hybrid import Hit, HybridIndex

_SENTENCES_FILE = "sentences.json"


@dataclass(frozen=True)
class Found:
    """What one query finds: chunks, best first, and how near every sentence is to it, -1 to 1.

    `nearest` is the nearness of the nearest sentence, read without the title above it: a title
    is near to questions that its document does not answer.
    """

    chunks: list[Hit]
    sentence_scores: np.ndarray
    nearest: float


class PassageIndex:
    """Chunks to search, and the sentences in them to answer from.

    Both are indexed under the title and the date of their document: a sentence alone seldom says
    when and of whom it was written.
    """

    def __init__(
        self, chunks: HybridIndex, titled: HybridIndex, plain: HybridIndex, chunk_of: list[str]
    ) -> None:
        self.chunks = chunks
        self._titled = titled
        self._plain = plain
        self._chunk_of = chunk_of

    @staticmethod
    def build(
        chunks: pd.DataFrame, sentences: pd.DataFrame, documents: pd.DataFrame, embed: Embed
    ) -> "PassageIndex":
        """Index Chunks and Sentences."""
        titled = title_chunks(chunks, documents)
        heads = _heads(documents)
        rows = sentences.sort_values(["doc_id", "position"]).to_dict("records")
        ids, texts = [row["sentence_id"] for row in rows], [row["text"] for row in rows]
        under_title = [_under_title(row, heads) for row in rows]
        return PassageIndex(
            HybridIndex.build([one for one, _ in titled], [text for _, text in titled], embed),
            HybridIndex.build(ids, under_title, embed),
            HybridIndex.build(ids, texts, embed),
            [row["chunk_id"] for row in rows],
        )

    @staticmethod
    def load(folder: Path) -> "PassageIndex":
        """Read what `save` wrote."""
        return PassageIndex(
            HybridIndex.load(folder / "chunks"),
            HybridIndex.load(folder / "titled"),
            HybridIndex.load(folder / "plain"),
            json.loads((folder / _SENTENCES_FILE).read_text()),
        )

    def save(self, folder: Path) -> None:
        """Write the index into `folder`."""
        self.chunks.save(folder / "chunks")
        self._titled.save(folder / "titled")
        self._plain.save(folder / "plain")
        (folder / _SENTENCES_FILE).write_text(json.dumps(self._chunk_of))

    def search(self, queries: Sequence[str], embed: Embed, *, n_chunks: int) -> list[Found]:
        """Find chunks for every query and measure how near the sentences are."""
        found = self.chunks.search(queries, embed, n_hits=n_chunks)
        titled = self._titled.likeness(queries, embed)
        plain = self._plain.likeness(queries, embed)
        return [
            Found(chunks, scores, float(nearness.max(initial=-1.0)))
            for chunks, scores, nearness in zip(found, titled, plain, strict=True)
        ]

    def best_sentences(
        self, found: Found, chunk_ids: Collection[str], *, n_sentences: int
    ) -> list[Hit]:
        """Choose the sentences of `chunk_ids` that are nearest to the query, nearest first."""
        order = np.argsort(-found.sentence_scores, kind="stable")
        inside = [int(at) for at in order if self._chunk_of[at] in chunk_ids][:n_sentences]
        return [
            Hit(self._plain.unit_ids[at], self._plain.texts[at], float(found.sentence_scores[at]))
            for at in inside
        ]

    def chunk_of(self, sentence_id: str) -> str:
        """Tell which chunk holds most of a sentence."""
        return self._chunk_of[self._plain.unit_ids.index(sentence_id)]


def title_chunks(chunks: pd.DataFrame, documents: pd.DataFrame) -> list[tuple[str, str]]:
    """List (chunk_id, text) by date and place; a line above each says what it is from."""
    heads = _heads(documents)
    place = {doc_id: at for at, doc_id in enumerate(in_order(documents)["doc_id"])}
    ordered = sorted(
        chunks.to_dict("records"), key=lambda row: (place[row["doc_id"]], row["position"])
    )
    return [(row["chunk_id"], f"{heads[row['doc_id']]}\n{row['text']}") for row in ordered]


def list_indexed_texts(
    chunks: pd.DataFrame, sentences: pd.DataFrame, documents: pd.DataFrame
) -> Iterator[tuple[str, str]]:
    """Yield (doc_id, text) of all that `PassageIndex.build` has embedded."""
    doc_of = dict(zip(chunks["chunk_id"], chunks["doc_id"], strict=True))
    for chunk_id, text in title_chunks(chunks, documents):
        yield doc_of[chunk_id], text
    heads = _heads(documents)
    for row in sentences.to_dict("records"):
        yield row["doc_id"], _under_title(row, heads)
        yield row["doc_id"], row["text"]


def in_order(documents: pd.DataFrame) -> pd.DataFrame:
    """Sort documents by date, undated ones last, and by source."""
    return documents.sort_values(["published_at", "source_uri"], na_position="last")


def head_line(title: str, date: pd.Timestamp) -> str:
    """Write the title and, where there is one, the date: `The mill, 2 March 1901`."""
    return title if pd.isna(date) else f"{title}, {date.day} {date:%B %Y}"


def _under_title(sentence: Mapping[str, Any], heads: Mapping[str, str]) -> str:
    return f"{heads[sentence['doc_id']]}: {sentence['text']}"


def _heads(documents: pd.DataFrame) -> dict[str, str]:
    return {
        row["doc_id"]: head_line(row["title"], row["published_at"])
        for row in documents.to_dict("records")
    }
