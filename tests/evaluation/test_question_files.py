import json
from pathlib import Path

import pytest

from ragtuned_kedro.evaluation.queries import QuestionTables, read_questions

GOOD = {
    "scope": "local",
    "text": "Who mended the tower clock?",
    "reference": "Marta Keel.",
    "assertions": [{"text": "Marta Keel", "aliases": ["Marta"]}],
    "evidence": ["a.md", "b.md", "a.md"],
}


def _read(*lines: object, name: str = "q.jsonl") -> QuestionTables:
    data = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    return read_questions([(name, data.encode())], known_documents={"a.md", "b.md"})


def test_a_line_becomes_a_query_with_its_assertions_and_evidence() -> None:
    read = _read(GOOD)
    assert read.queries["n_evidence"].tolist() == [2]
    assert read.queries["query_id"].str.startswith("equery-").all()
    assert json.loads(read.assertions["aliases"].iloc[0]) == ["Marta"]
    assert read.evidence["source_uri"].tolist() == ["a.md", "b.md"]
    assert read.rejections.empty


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{not json", "not_json"),
        ("[1, 2]", "not_json"),
        ("[" * 100_000, "not_json"),
        ({**GOOD, "scope": "cosmic"}, "bad_question"),
        ({**GOOD, "extra": 1}, "bad_question"),
        ({**GOOD, "text": "?!"}, "bad_question"),
        ({**GOOD, "assertions": [{"text": "?!"}]}, "bad_question"),
        ({**GOOD, "assertions": []}, "no_assertions"),
        ({**GOOD, "scope": "unanswerable"}, "assertions_on_unanswerable"),
        ({**GOOD, "evidence": ["c.md"]}, "unknown_document"),
        ({**GOOD, "text": "who mended the TOWER clock"}, "duplicate"),
    ],
)
def test_every_line_ends_as_a_query_or_as_a_rejection_that_names_its_place(
    line: object, reason: str
) -> None:
    read = _read(GOOD, line, {**GOOD, "text": "Who wound it?"})
    assert len(read.queries) == 2
    assert read.rejections["key"].tolist() == ["q.jsonl:2"]
    assert read.rejections["reason"].tolist() == [reason]


def test_bytes_that_are_no_text_reject_only_their_line() -> None:
    data = b"\xff\xfe\n" + json.dumps(GOOD).encode()
    read = read_questions([("q.jsonl", data)], known_documents={"a.md", "b.md"})
    assert len(read.queries) == 1
    assert read.rejections["reason"].tolist() == ["not_utf8"]


def test_a_csv_file_holds_the_same_questions() -> None:
    table = (
        "scope,text,reference,assertions,evidence\n"
        'local,"Who mended the tower clock?",Marta Keel.,'
        '"[{""text"": ""Marta Keel"", ""aliases"": [""Marta""]}]","[""a.md"", ""b.md""]"\n'
        "unanswerable,Who built it?,,,\n"
        "local,Who sold it?,,{broken,\n"
    )
    read = _read(table, name="q.csv")
    assert set(read.queries["query_id"]) > set(_read(GOOD).queries["query_id"])
    assert len(read.queries) == 2
    assert read.rejections["reason"].tolist() == ["not_json"]


def test_other_files_are_rejected_and_no_files_give_empty_tables() -> None:
    assert _read("x", name="q.docx").rejections["reason"].tolist() == ["unsupported_format"]
    read = read_questions([], known_documents=set())
    assert read.queries.empty
    assert read.rejections.empty


def test_the_demo_questions_are_all_askable_and_their_references_hold() -> None:
    root = Path(__file__).parents[2] / "data" / "01_raw"
    files = [(one.name, one.read_bytes()) for one in (root / "questions").iterdir()]
    documents = {one.name for one in (root / "journal").iterdir()}
    read = read_questions(files, known_documents=documents)
    assert read.rejections.empty
    assert len(read.queries) > 0
