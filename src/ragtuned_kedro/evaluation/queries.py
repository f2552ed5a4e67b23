"""Question files become evaluation queries; a line that cannot be asked is a rejection."""

import csv
import io
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pandas as pd
from pydantic import ValidationError

from ragtuned_kedro.evaluation.wording import normalise
from ragtuned_kedro.schemas.evaluation_tables import Assertions, EvaluationQueries, QueryEvidence
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.records import EvaluationQuestion
from ragtuned_kedro.schemas.tables import Rejections, frame_of

SUFFIXES = (".jsonl", ".csv")
# Columns of a .csv file that hold JSON; the others hold plain text.
_JSON_COLUMNS = ("assertions", "evidence")


class UnaskableError(ValueError):
    """A line cannot become a query; `reason` is one of a named set."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class QuestionTables:
    """What the question files hold, as tables; lines = queries + rejections."""

    queries: pd.DataFrame
    assertions: pd.DataFrame
    evidence: pd.DataFrame
    rejections: pd.DataFrame


def read_questions(
    files: Iterable[tuple[str, bytes]], *, known_documents: Collection[str]
) -> QuestionTables:
    """Turn (name, bytes) pairs into evaluation queries; no file at all gives empty tables.

    A question about a document that is not in the corpus is refused, because no system could
    know its answer.

    Rejection reasons: unsupported_format, not_utf8, not_json, bad_question, no_assertions,
    assertions_on_unanswerable, unknown_document, duplicate. One bad line never stops the others.
    """
    queries: list[dict] = []
    assertions: list[dict] = []
    evidence: list[dict] = []
    rejected: list[dict] = []
    seen: dict[str, str] = {}
    for place, item in _lines_of(files):
        try:
            question = _question(item)
            _require_askable(question, known_documents)
            if (first := seen.setdefault(normalise(question.text), place)) != place:
                raise UnaskableError("duplicate", f"the same question as {first}")
        except UnaskableError as error:
            rejected.append(
                {"key": place, "call_id": None, "reason": error.reason, "detail": error.detail}
            )
            continue
        query_id = content_id("equery", question.text)
        queries.append(query_row(query_id, question))
        assertions += assertion_rows(query_id, question)
        evidence += evidence_rows(query_id, question)
    return QuestionTables(
        frame_of(EvaluationQueries, queries),
        frame_of(Assertions, assertions),
        frame_of(QueryEvidence, evidence),
        frame_of(Rejections, rejected),
    )


def query_row(query_id: str, question: EvaluationQuestion) -> dict:
    """Make the row of EvaluationQueries."""
    return {
        "query_id": query_id,
        "scope": question.scope,
        "persona": question.persona,
        "task": question.task,
        "text": question.text,
        "reference": question.reference,
        "n_evidence": len(set(question.evidence)),
        "call_id": None,
    }


def assertion_rows(query_id: str, question: EvaluationQuestion) -> list[dict]:
    """Make the rows of Assertions."""
    return [
        {
            "query_id": query_id,
            "position": position,
            "text": one.text,
            "aliases": json.dumps(one.aliases, ensure_ascii=False) if one.aliases else None,
        }
        for position, one in enumerate(question.assertions)
    ]


def evidence_rows(query_id: str, question: EvaluationQuestion) -> list[dict]:
    """Make the rows of QueryEvidence."""
    return [{"query_id": query_id, "source_uri": uri} for uri in sorted(set(question.evidence))]


def _require_askable(question: EvaluationQuestion, known_documents: Collection[str]) -> None:
    if not normalise(question.text):
        raise UnaskableError("bad_question", "text has no letter and no digit")
    if question.scope == "unanswerable" and question.assertions:
        raise UnaskableError(
            "assertions_on_unanswerable", "an unanswerable question has no right answer to assert"
        )
    if question.scope != "unanswerable" and not question.assertions:
        raise UnaskableError(
            "no_assertions", f"a {question.scope} question needs at least one assertion"
        )
    hollow = [
        spelling
        for one in question.assertions
        for spelling in (one.text, *one.aliases)
        if not normalise(spelling)
    ]
    if hollow:
        raise UnaskableError("bad_question", f"assertion {hollow[0]!r} has no letter and no digit")
    if unknown := sorted(set(question.evidence) - set(known_documents)):
        raise UnaskableError("unknown_document", f"not in the corpus: {', '.join(unknown)}")


def _question(item: dict | UnaskableError) -> EvaluationQuestion:
    if isinstance(item, UnaskableError):
        raise item
    try:
        return EvaluationQuestion.model_validate(item)
    except ValidationError as error:
        complaints = "; ".join(
            f"{'.'.join(str(part) for part in one['loc']) or 'line'}: {one['msg']}"
            for one in error.errors()
        )
        raise UnaskableError("bad_question", complaints) from error


def _lines_of(
    files: Iterable[tuple[str, bytes]],
) -> Iterator[tuple[str, dict | UnaskableError]]:
    for name, data in sorted(files):
        suffix = PurePosixPath(name).suffix.lower()
        if suffix == ".jsonl":
            yield from _jsonl_lines(name, data)
        elif suffix == ".csv":
            yield from _csv_lines(name, data)
        else:
            yield (
                name,
                UnaskableError(
                    "unsupported_format", f"{suffix or 'no suffix'} is not one of {SUFFIXES}"
                ),
            )


def _jsonl_lines(name: str, data: bytes) -> Iterator[tuple[str, dict | UnaskableError]]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        place = f"{name}:{number}"
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            yield place, UnaskableError("not_utf8", str(error))
            continue
        if text:
            yield place, _json_of(text, kind=dict)


def _csv_lines(name: str, data: bytes) -> Iterator[tuple[str, dict | UnaskableError]]:
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        for row in reader:
            yield f"{name}:{reader.line_num}", _csv_item(row)
    except UnicodeDecodeError as error:
        yield name, UnaskableError("not_utf8", str(error))
    except csv.Error as error:
        yield f"{name}:{reader.line_num}", UnaskableError("bad_question", str(error))


def _csv_item(row: dict) -> dict | UnaskableError:
    if None in row:
        return UnaskableError("bad_question", f"{len(row[None])} cells beyond the header")
    item: dict = {}
    for column, cell in row.items():
        if not cell or not cell.strip():
            continue
        if column not in _JSON_COLUMNS:
            item[column] = cell.strip()
            continue
        value = _json_of(cell, kind=list)
        if isinstance(value, UnaskableError):
            return UnaskableError(value.reason, f"{column}: {value.detail}")
        item[column] = value
    return item


def _json_of(text: str, *, kind: type) -> Any:
    try:
        value = json.loads(text)
    # Deep nesting overflows the parser's stack instead of being bad JSON.
    except (ValueError, RecursionError) as error:
        return UnaskableError("not_json", str(error))
    if not isinstance(value, kind):
        return UnaskableError(
            "not_json", f"expected a JSON {kind.__name__}, not {type(value).__name__}"
        )
    return value
