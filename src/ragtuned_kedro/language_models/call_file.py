"""The SQLite file in which calls lie: one row when they are sent, one when they are answered.

An answer that came when its run had ended lies beside them until the next run has read it.
"""

import dataclasses
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from ragtuned_kedro.schemas.errors import UserError

Outcome = Literal["valid", "invalid", "length", "refused"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    request_sha TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    stage TEXT NOT NULL,
    model_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('valid', 'invalid', 'length', 'refused')),
    text TEXT CHECK ((text IS NULL) = (outcome <> 'valid')),
    finish_reason TEXT NOT NULL,
    n_prompt_tokens INTEGER NOT NULL,
    n_completion_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL,
    error TEXT,
    first_token_seconds REAL,
    peak_memory_bytes INTEGER NOT NULL DEFAULT 0,
    kept_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (request_sha, attempt)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sendings (
    request_sha TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    stage TEXT NOT NULL,
    key TEXT NOT NULL,
    model_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    sent_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (request_sha, attempt, stage, key, model_id, endpoint)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS arrivals (
    kept_as TEXT NOT NULL PRIMARY KEY,
    endpoint TEXT NOT NULL,
    content BLOB NOT NULL,
    seconds REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reply_modes (
    endpoint TEXT NOT NULL,
    model_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    PRIMARY KEY (endpoint, model_id)
) WITHOUT ROWID;
"""
# How long a writer waits for another process to finish its transaction.
_BUSY_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Call:
    """One answered call. Only a valid reply has a text; `error` says why another has none.

    `attempt` counts from 0 how often this request had been answered unusably before.
    """

    request_sha: str
    attempt: int
    stage: str
    model_id: str
    endpoint: str
    outcome: Outcome
    text: str | None
    finish_reason: str
    n_prompt_tokens: int
    n_completion_tokens: int
    seconds: float
    error: str | None = None
    first_token_seconds: float | None = None
    peak_memory_bytes: int = 0


class Sending(NamedTuple):
    """One call that leaves: a row of `schemas.call_tables.Sendings`."""

    request_sha: str
    attempt: int
    stage: str
    key: str
    model_id: str
    endpoint: str


# Request and attempt of every call that one answer gives; empty where it is not kept at all.
KeptAs = tuple[tuple[str, int], ...]


class Arrival(NamedTuple):
    """An answer as the endpoint sent it, which no run has read."""

    kept_as: KeptAs
    endpoint: str
    content: bytes
    seconds: float


FIELDS = [field.name for field in dataclasses.fields(Call)]


class CallFile:
    """A SQLite file in WAL mode, safe for many threads and processes; created when first used.

    Every use raises UserError where the file is no such store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    @property
    def path(self) -> Path:
        """Name the file."""
        return self._path

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Read all rows of a query."""
        with self.reading() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection for one thread."""
        with self._lock:
            try:
                yield self._open()
            except sqlite3.DatabaseError as error:
                raise UserError(f"{self._path} cannot be used: {error}") from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection for one transaction."""
        with self.reading() as connection, connection:
            yield connection

    def close(self) -> None:
        """Close the file, so that no side files of its journal are left; the next use opens it."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, check_same_thread=False)
            # NORMAL: a commit is safe from a crash of the process; after a power cut the last
            # calls may be missing, and the file is whole.
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
            self._connection = connection
        return self._connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to WAL mode; the time-out does not cover two processes creating one file."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
