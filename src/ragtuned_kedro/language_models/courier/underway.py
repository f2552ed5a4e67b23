"""Which calls of earlier runs are still under way: one locked file beside a store per channel.

A courier holds the lock for as long as an answer may still come in. Whose run has ended is waited
for; whose run is alive is left alone.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple, TextIO

import psutil

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.02
# Waiting for longer than this is told to the user.
_PATIENCE_SECONDS = 1.0
_CLOCK_SECONDS = 60.0


class Owner(NamedTuple):
    """A run's process: its number, when it began, and among which processes numbers are unique.

    A number alone is used again.
    """

    pid: int
    created: float
    space: int


class Underway:
    """A lock held by a courier for one channel; it ends with the process that holds it."""

    def __init__(self, store: Path, channel: str, owner: Owner, *, most_seconds: float) -> None:
        """Take the lock; after `most_seconds` nobody need wait for it any more."""
        self._path = _folder(store) / channel
        self._file = _create_locked(self._path)
        self._file.write(json.dumps([owner, most_seconds]))
        self._file.flush()

    def end(self) -> None:
        """Give the lock back and, where the folder can be written, leave nothing behind."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._file.close()
        _remove_if_empty(self._path.parent)


def _create_locked(path: Path) -> TextIO:
    """Create a file under a lock; whoever tidies up between the two steps makes this try again."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("w")
        except FileNotFoundError:
            continue
        fcntl.flock(file, fcntl.LOCK_EX)
        if _is_same(file, path):
            return file
        file.close()


def this_process() -> Owner:
    """Name this process."""
    return Owner(os.getpid(), psutil.Process().create_time(), _space())


def _space() -> int:
    """Tell which processes share numbers with this one: those of one container do."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


async def wait_for_ended_runs(store: Path, *, mine: Collection[str]) -> None:
    """Wait until no call is under way whose run has ended.

    `mine` are the channels that are open in this process. It lasts at most twice as long as a call
    may (`limits.call_timeout_seconds` of the run that sent it) and half a minute.
    """
    started, is_told = time.monotonic(), False
    while (left := _seconds_of_waiting(store, mine) - (time.monotonic() - started)) > 0:
        if not is_told and time.monotonic() - started > _PATIENCE_SECONDS:
            is_told = True
            log.info("Waiting, at most %.0f s, for what an ended run had sent", left)
        await asyncio.sleep(_POLL_SECONDS)


def _seconds_of_waiting(store: Path, mine: Collection[str]) -> float:
    """Tell for how long at most an ended run's calls are under way; 0 if there are none."""
    try:
        files = list(_folder(store).iterdir())
    except FileNotFoundError:
        return 0.0
    return max((_seconds_underway(path) for path in files if path.name not in mine), default=0.0)


def _seconds_underway(path: Path) -> float:
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return _seconds_unless_alive(file.read())
            # Nobody holds it: its courier was killed as well.
            if _is_same(file, path):
                path.unlink(missing_ok=True)
    except OSError:
        return 0.0
    _remove_if_empty(path.parent)
    return 0.0


def _seconds_unless_alive(told: str) -> float:
    """Read for how long a lock is waited for: 0 if its run is another process that lives."""
    try:
        owner, most_seconds = json.loads(told)
    except ValueError:
        # It is being written.
        return _PATIENCE_SECONDS
    return 0.0 if _lives_elsewhere(Owner(*owner)) else float(most_seconds)


def _lives_elsewhere(owner: Owner) -> bool:
    if owner.space != _space():
        # Of another container's processes nothing can be known.
        return True
    try:
        process = psutil.Process(owner.pid)
        # One that has ended keeps its number for as long as nobody asks how it ended.
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        age = process.create_time() - owner.created
    except psutil.NoSuchProcess:
        return False
    # A clock that is set moves the time at which a process is said to have begun.
    return owner.pid != os.getpid() and abs(age) < _CLOCK_SECONDS


def _is_same(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _folder(store: Path) -> Path:
    return store.with_name(f"{store.name}.underway")


def _remove_if_empty(folder: Path) -> None:
    # It is not empty while another channel is open.
    with contextlib.suppress(OSError):
        folder.rmdir()
