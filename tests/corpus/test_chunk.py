"""Laws of token windows."""

import itertools
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtuned_kedro.corpus.chunk import chunk_documents, token_windows
from ragtuned_kedro.corpus.read import read_documents


def word_spans(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\S+", text)]


@given(n=st.integers(1, 300), size=st.integers(1, 60), overlap=st.integers(0, 59))
def test_windows_cover_every_token_and_none_is_redundant(n: int, size: int, overlap: int) -> None:
    if overlap >= size:
        with pytest.raises(ValueError, match="below size"):
            list(token_windows(n, size=size, overlap=overlap))
        return
    windows = list(token_windows(n, size=size, overlap=overlap))
    assert set().union(*(range(a, b) for a, b in windows)) == set(range(n))
    assert all(b - a <= size for a, b in windows)
    assert all(c[0] > a[0] and c[1] > a[1] for a, c in itertools.pairwise(windows))


def test_offsets_cut_the_chunk_out_of_its_document() -> None:
    text = "one two three four five six seven"
    documents, _ = read_documents(
        [("a.txt", text.encode())],
        lambda t: len(word_spans(t)),
        text_column="text",
        title_column="title",
        date_column="date",
        max_rejected_share=0.0,
    )
    chunks: pd.DataFrame = chunk_documents(documents, word_spans, size=3, overlap=1)
    assert chunks["text"].tolist() == ["one two three", "three four five", "five six seven"]
    for row in chunks.itertuples():
        assert text[row.start_char : row.end_char] == row.text
