"""Files become documents; what cannot be read becomes a rejection with its reason."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import PurePosixPath
from typing import Any

import pandas as pd
import yaml

from ragtuned_kedro.corpus.clean import clean_text
from ragtuned_kedro.schemas.corpus_tables import Documents
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.tables import Rejections, frame_of

SUFFIXES = (".txt", ".md", ".jsonl", ".csv")


class UnreadableError(ValueError):
    """An item of the corpus cannot become a document; `reason` is one of a named set."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Columns:
    """Which keys of a .jsonl or .csv row, or of front matter, hold what."""

    text: str
    title: str
    date: str


@dataclass(frozen=True)
class RawItem:
    """One document before cleaning, as its file gave it."""

    uri: str
    text: str
    fields: dict[str, Any] = field(default_factory=dict)


def read_documents(
    files: Iterable[tuple[str, bytes]],
    count_tokens: Callable[[str], int],
    *,
    text_column: str,
    title_column: str,
    date_column: str,
    max_rejected_share: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn (name, bytes) pairs into Documents and Rejections.

    Rejection reasons: unsupported_format, not_utf8, not_text, empty, bad_front_matter,
    bad_row, missing_text, bad_date, duplicate. One bad item never stops the others.

    Raises:
        UserError: If nothing was readable, or more than `max_rejected_share` was not.
    """
    columns = Columns(text_column, title_column, date_column)
    rows: list[dict] = []
    rejected: list[dict] = []
    seen: dict[str, str] = {}
    for name, data in sorted(files):
        for item in _items_of(name, data, columns):
            try:
                if isinstance(item, UnreadableError):
                    raise item
                uri = item.uri
                row = _document_row(item, columns)
                if (first := seen.setdefault(row["text"], uri)) != uri:
                    raise UnreadableError("duplicate", f"same text as {first}")
                row["n_tokens"] = count_tokens(row["text"])
                rows.append(row)
            except UnreadableError as error:
                key = item.uri if isinstance(item, RawItem) else name
                rejected.append(
                    {"key": key, "call_id": None, "reason": error.reason, "detail": error.detail}
                )
    _require_documents(rows, rejected, max_rejected_share)
    documents = frame_of(Documents, sorted(rows, key=lambda row: row["source_uri"]))
    return documents, frame_of(Rejections, rejected)


def _require_documents(rows: list[dict], rejected: list[dict], max_rejected_share: float) -> None:
    listed = "; ".join(f"{r['key']} ({r['reason']}: {r['detail']})" for r in rejected[:5])
    if not rows:
        raise UserError(
            "the corpus holds no readable document. Put files ending in "
            f"{', '.join(SUFFIXES)} into the corpus folder (corpus_folder, conf/base/globals.yml)."
            + (f" Rejected: {listed}" if rejected else "")
        )
    share = len(rejected) / (len(rows) + len(rejected))
    if share > max_rejected_share:
        raise UserError(
            f"{len(rejected)} of {len(rows) + len(rejected)} corpus items were rejected, more than "
            f"corpus.max_rejected_share ({max_rejected_share:g}) allows. First: {listed}"
        )


def _items_of(name: str, data: bytes, columns: Columns) -> Iterator[RawItem | UnreadableError]:
    """Split one file into its documents; a fault of the whole file is one UnreadableError."""
    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix not in SUFFIXES:
            allowed = ", ".join(SUFFIXES)
            raise UnreadableError("unsupported_format", f"{suffix or 'no suffix'}, not {allowed}")
        text = _decode(data)
        if suffix == ".jsonl":
            yield from _jsonl_items(name, text, columns)
        elif suffix == ".csv":
            yield from _csv_items(name, text, columns)
        elif suffix == ".md":
            yield _markdown_item(name, text)
        else:
            yield RawItem(name, text)
    except UnreadableError as error:
        yield error


def _decode(data: bytes) -> str:
    if b"\x00" in data:
        raise UnreadableError("not_text", "the file holds NUL bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError("not_utf8", f"byte {error.start} is not UTF-8") from None
    if not text.strip():
        raise UnreadableError("empty", "the file holds no text")
    return text


def _markdown_item(name: str, text: str) -> RawItem:
    """Split off YAML front matter: a block between two `---` lines at the very top."""
    lines = text.splitlines()
    if lines[0].strip() != "---":
        return RawItem(name, text)
    try:
        end = next(i for i, line in enumerate(lines[1:], start=1) if line.strip() == "---")
    except StopIteration:
        return RawItem(name, text)  # a rule at the top of a text without front matter
    try:
        fields = yaml.safe_load("\n".join(lines[1:end])) or {}
    except yaml.YAMLError as error:
        detail = " ".join(str(error).split())
        raise UnreadableError("bad_front_matter", detail) from None
    if not isinstance(fields, dict):
        raise UnreadableError("bad_front_matter", "the front matter is not a list of keys")
    return RawItem(name, "\n".join(lines[end + 1 :]), fields)


def _jsonl_items(name: str, text: str, columns: Columns) -> Iterator[RawItem]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        uri = f"{name}#{number}"
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            yield RawItem(uri, "", {"__fault__": ("bad_row", f"not JSON: {error.msg}")})
            continue
        yield _row_item(uri, fields, columns)


def _csv_items(name: str, text: str, columns: Columns) -> Iterator[RawItem]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if columns.text not in (reader.fieldnames or []):
        raise UnreadableError(
            "missing_text",
            f"no column {columns.text!r}; the columns are {', '.join(reader.fieldnames or [])}",
        )
    for number, fields in enumerate(reader, start=1):
        yield _row_item(f"{name}#{number}", fields, columns)


def _row_item(uri: str, fields: Any, columns: Columns) -> RawItem:
    if not isinstance(fields, dict):
        return RawItem(uri, "", {"__fault__": ("bad_row", "not an object with keys")})
    text = fields.get(columns.text)
    if not isinstance(text, str):
        fault = ("missing_text", f"no text under the key {columns.text!r}")
        return RawItem(uri, "", {"__fault__": fault})
    return RawItem(uri, text, {k: v for k, v in fields.items() if k != columns.text})


def _document_row(item: RawItem, columns: Columns) -> dict:
    if fault := item.fields.get("__fault__"):
        raise UnreadableError(*fault)
    text = clean_text(item.text)
    if not text:
        raise UnreadableError("empty", "no text remains after cleaning")
    title = clean_text(str(item.fields.get(columns.title) or "")) or PurePosixPath(item.uri).stem
    return {
        "doc_id": content_id("doc", item.uri, text),
        "source_uri": item.uri,
        "title": title,
        "text": text,
        "author": _optional(item.fields.get("author")),
        "category": _optional(item.fields.get("category")),
        "published_at": _timestamp(item.fields.get(columns.date)),
        "n_chars": len(text),
    }


def _optional(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def _timestamp(value: object) -> pd.Timestamp | None:
    """Read a date or time; without a zone it is UTC."""
    if value in (None, ""):
        return None
    try:
        if isinstance(value, datetime):
            moment = value
        elif isinstance(value, date):
            moment = datetime.combine(value, time())
        else:
            moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise UnreadableError("bad_date", f"{value!r} is not an ISO date") from None
    return pd.Timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC)).tz_convert("UTC")
