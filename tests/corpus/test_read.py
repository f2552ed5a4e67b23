"""Laws of reading a corpus."""

import pandas as pd
import pytest

from ragtuned_kedro.corpus.clean import clean_text
from ragtuned_kedro.corpus.read import read_documents
from ragtuned_kedro.schemas.errors import UserError


def read(*files: tuple[str, bytes], share: float = 0.9) -> tuple[pd.DataFrame, pd.DataFrame]:
    return read_documents(
        files,
        lambda text: len(text.split()),
        text_column="text",
        title_column="title",
        date_column="date",
        max_rejected_share=share,
    )


def test_front_matter_becomes_metadata_and_leaves_the_text() -> None:
    documents, _ = read(
        ("a.md", b"---\ntitle: A day\ndate: 1974-01-02\nauthor: Ada\n---\nIt rained.")
    )
    row = documents.iloc[0]
    assert (row["title"], row["author"], row["text"]) == ("A day", "Ada", "It rained.")
    assert row["published_at"] == pd.Timestamp("1974-01-02", tz="UTC")


def test_every_row_of_a_table_is_a_document() -> None:
    documents, rejected = read(
        ("rows.jsonl", b'{"text": "One."}\n\n{"text": "Two.", "title": "Second"}\n'),
        ("rows.csv", b"title,text\nThird,Three.\n"),
        ("plain.txt", b"Four."),
    )
    assert documents["source_uri"].tolist() == [
        "plain.txt",
        "rows.csv#1",
        "rows.jsonl#1",
        "rows.jsonl#3",
    ]
    assert rejected.empty


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.txt", b" \n", "empty"),
        ("latin.txt", "caf\u00e9".encode("latin-1"), "not_utf8"),
        ("image.txt", b"\x89PNG\x00\x01", "not_text"),
        ("word.docx", b"PK", "unsupported_format"),
        ("bad.md", b"---\ntitle: [\n---\ntext", "bad_front_matter"),
        ("bad.jsonl", b"{nonsense\n", "bad_row"),
        ("list.jsonl", b"[1, 2]\n", "bad_row"),
        ("other.jsonl", b'{"body": "no text here"}\n', "missing_text"),
        ("other.csv", b"a,b\n1,2\n", "missing_text"),
        ("when.md", b"---\ndate: some day\n---\ntext", "bad_date"),
    ],
)
def test_what_cannot_be_read_is_a_rejection_that_names_the_file(
    name: str, data: bytes, reason: str
) -> None:
    documents, rejected = read((name, data), ("good.txt", b"Good."))
    assert documents["source_uri"].tolist() == ["good.txt"]
    assert rejected["reason"].tolist() == [reason]
    assert rejected["key"].iloc[0].startswith(name)


def test_the_same_text_twice_is_one_document() -> None:
    documents, rejected = read(("a.txt", b"Same."), ("b.txt", b"Same. "))
    assert len(documents) == 1
    assert rejected[["key", "reason"]].to_numpy().tolist() == [["b.txt", "duplicate"]]


def test_an_empty_corpus_stops_with_what_to_do() -> None:
    with pytest.raises(UserError, match="no readable document"):
        read()


def test_too_many_rejections_stop_the_run() -> None:
    with pytest.raises(UserError, match="max_rejected_share"):
        read(("a.txt", b"Good."), ("b.txt", b""), ("c.txt", b""), share=0.5)


def test_cleaning_twice_changes_nothing() -> None:
    once = clean_text("A\r\n\r\n\r\n\r\n b\x07\u00a0 c\t")
    assert once == "A\n\nb c"
    assert clean_text(once) == once


def test_the_same_files_give_the_same_ids_in_any_order() -> None:
    files = [("a.txt", b"One."), ("b.txt", b"Two.")]
    pd.testing.assert_frame_equal(read(*files)[0], read(*reversed(files))[0])
