"""A hybrid index: words (BM25) and meaning (embeddings), joined by reciprocal rank fusion."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from ragtuned_kedro.language_models.embedder import Embed

# The constant of Cormack et al. 2009, who introduced the fusion.
_RRF_CONSTANT = 60
# Each side hands this many on to the fusion; farther down an order says little.
_N_CANDIDATES = 50
_UNITS_FILE = "units.json"
_VECTORS_FILE = "vectors.safetensors"


@dataclass(frozen=True)
class Hit:
    """A unit found for a query; `score` is the fused one, and hits come best first."""

    unit_id: str
    text: str
    score: float


class HybridIndex:
    """Units of text, searchable by words and by meaning.

    Vectors are compared one by one: exact, and for a million units of 384 dimensions still some
    tenths of a second a query. An approximate index (FAISS) would earn its place above that.
    BM25 counts are built from the texts at the first search, which takes less time than reading
    them back.
    """

    def __init__(self, unit_ids: Sequence[str], texts: Sequence[str], vectors: np.ndarray) -> None:
        self.unit_ids = list(unit_ids)
        self.texts = list(texts)
        self._vectors = vectors
        self._words: Any = None

    def __len__(self) -> int:
        return len(self.unit_ids)

    @staticmethod
    def build(unit_ids: Sequence[str], texts: Sequence[str], embed: Embed) -> "HybridIndex":
        """Index `texts` under their ids."""
        return HybridIndex(unit_ids, texts, embed(texts))

    @staticmethod
    def load(folder: Path) -> "HybridIndex":
        """Read what `save` wrote."""
        units = json.loads((folder / _UNITS_FILE).read_text())
        vectors = load_file(folder / _VECTORS_FILE)["vectors"]
        return HybridIndex(units["unit_ids"], units["texts"], vectors)

    def save(self, folder: Path) -> None:
        """Write units and vectors into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        units = {"unit_ids": self.unit_ids, "texts": self.texts}
        (folder / _UNITS_FILE).write_text(json.dumps(units))
        save_file({"vectors": np.ascontiguousarray(self._vectors)}, folder / _VECTORS_FILE)

    def search(self, queries: Sequence[str], embed: Embed, *, n_hits: int) -> list[list[Hit]]:
        """Find up to `n_hits` units for each query, best first; ties go to the earlier unit."""
        if not len(self) or not queries:
            return [[] for _ in queries]
        fused = [
            fuse([_best(by_meaning), self._by_words(words)])
            for by_meaning, words in zip(
                self.likeness(queries, embed), _stems(queries), strict=True
            )
        ]
        return [
            [Hit(self.unit_ids[at], self.texts[at], score) for at, score in found[:n_hits]]
            for found in fused
        ]

    def likeness(self, queries: Sequence[str], embed: Embed) -> np.ndarray:
        """Compare every query with every unit: cosines, (queries, units), -1 to 1."""
        if not len(self) or not queries:
            return np.zeros((len(queries), len(self)), dtype=np.float32)
        return np.asarray(embed(queries) @ self._vectors.T)

    def _by_words(self, words: list[str]) -> list[int]:
        if self._words is None:
            self._words = _count_words(self.texts)
        if not words or not self._words:
            return []
        scores = self._words.get_scores(words)
        return [at for at in _best(scores) if scores[at] > 0]


def fuse(orders: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """Join orders of the same units: a unit scores the sum of 1 / (60 + place), places from 1.

    Source: reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009).
    """
    scores: dict[int, float] = {}
    for order in orders:
        for place, at in enumerate(order, start=1):
            scores[at] = scores.get(at, 0.0) + 1.0 / (_RRF_CONSTANT + place)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _best(scores: np.ndarray) -> list[int]:
    return [int(at) for at in np.argsort(-scores, kind="stable")[:_N_CANDIDATES]]


def _count_words(texts: Sequence[str]) -> Any:
    """Build BM25's counts; False where no text has a word, of which no index can be built."""
    tokens = _stems(texts)
    if not any(tokens):
        return False
    words = _bm25s().BM25()
    words.index(tokens, show_progress=False)
    return words


def _bm25s() -> Any:
    import bm25s

    # It sets itself to DEBUG as it is imported, and then tells of every index.
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    return bm25s


def _stems(texts: Sequence[str]) -> list[list[str]]:
    """Split into English word stems without stop words."""
    import Stemmer

    stems = _bm25s().tokenize(
        list(texts),
        stopwords="en",
        stemmer=Stemmer.Stemmer("english"),
        return_ids=False,
        show_progress=False,
    )
    return [list(words) for words in stems]
