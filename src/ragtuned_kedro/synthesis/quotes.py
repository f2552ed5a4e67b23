"""Quotes: words that must stand in a chunk, and the sentences in which they stand."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

# Marks that models write differently from documents.
_SAME = str.maketrans(
    dict(zip("\u2018\u2019\u201c\u201d\u2013\u2014\u00a0", "''\"\"-- ", strict=True))
)
# Fewer words would stand anywhere.
_MIN_WORDS = 3


@dataclass(frozen=True)
class Evidence:
    """A sentence that supports an answer."""

    chunk_id: str
    sentence_id: str


class Quotes:
    """Finds quotes in chunks."""

    def __init__(self, chunks: pd.DataFrame, sentences: pd.DataFrame) -> None:
        self._chunks = {row.chunk_id: row for row in chunks.itertuples()}
        self._sentences = {
            doc_id: list(group.sort_values("position").itertuples())
            for doc_id, group in sentences.groupby("doc_id")
        }

    def texts(self, chunk_ids: Sequence[str]) -> list[str]:
        """Give the texts of chunks."""
        return [self._chunks[one].text for one in chunk_ids]

    def fault(self, quote: str, chunk_ids: Sequence[str]) -> tuple[str, str] | None:
        """Tell why a quote proves nothing: it is too short, or it stands in none of the chunks."""
        if len(quote.split()) < _MIN_WORDS:
            return "ungrounded", f"the quote has fewer than {_MIN_WORDS} words"
        if not self.evidence(quote, chunk_ids):
            return "ungrounded", "the quote does not stand in the documents letter by letter"
        return None

    def evidence(self, quote: str, chunk_ids: Sequence[str]) -> tuple[Evidence, ...]:
        """List the sentences that a quote covers, in the first of the chunks that holds it.

        Blanks, case and the shape of quotation marks and dashes do not matter.
        """
        words = r"\s+".join(re.escape(word) for word in quote.translate(_SAME).split())
        if not words:
            return ()
        for chunk_id in chunk_ids:
            chunk = self._chunks[chunk_id]
            found = re.search(words, chunk.text.translate(_SAME), re.IGNORECASE)
            if found is None:
                continue
            start, end = chunk.start_char + found.start(), chunk.start_char + found.end()
            return tuple(
                Evidence(one.chunk_id, one.sentence_id)
                for one in self._sentences.get(chunk.doc_id, ())
                if one.start_char < end and one.end_char > start
            )
        return ()


def by_id(evidence: Sequence[Evidence]) -> Mapping[str, str]:
    """Map sentences to their chunks, in order."""
    return {one.sentence_id: one.chunk_id for one in evidence}
