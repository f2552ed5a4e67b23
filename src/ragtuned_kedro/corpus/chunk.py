"""Documents are cut into token windows (text units, in GraphRAG's words)."""

from collections.abc import Iterator

import pandas as pd

from ragtuned_kedro.language_models.token_spans import TokenSpans
from ragtuned_kedro.schemas.corpus_tables import Chunks
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.tables import frame_of


def token_windows(n_tokens: int, *, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Slide a half-open window of `size` tokens, stepping by `size - overlap`.

    The last window reaches the last token exactly once, so no window lies wholly inside the one
    before it.

    Raises:
        ValueError: If `overlap` is not below `size`.
    """
    if overlap >= size:
        raise ValueError(f"overlap ({overlap}) must be below size ({size})")
    start = 0
    while start < n_tokens:
        end = min(start + size, n_tokens)
        yield start, end
        if end == n_tokens:
            return
        start += size - overlap


def chunk_documents(
    documents: pd.DataFrame, token_spans: TokenSpans, *, size: int, overlap: int
) -> pd.DataFrame:
    """Cut Documents into Chunks; `documents.text[start_char:end_char]` is the chunk's text."""
    rows = []
    for document in documents.itertuples():
        spans = token_spans(document.text)
        for position, (first, last) in enumerate(
            token_windows(len(spans), size=size, overlap=overlap)
        ):
            start, end = spans[first][0], max(span[1] for span in spans[first:last])
            rows.append(
                {
                    "chunk_id": content_id("chunk", document.doc_id, start, end),
                    "doc_id": document.doc_id,
                    "position": position,
                    "start_char": start,
                    "end_char": end,
                    "text": document.text[start:end],
                    "n_tokens": last - first,
                }
            )
    return frame_of(Chunks, rows)
