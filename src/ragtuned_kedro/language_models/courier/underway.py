"""Which calls of earlier runs are still under way: one locked file beside a store per channel.

A courier holds the lock for as long as an answer may still come in. Whose run has ended is waited
for; whose run is alive is left alone.
"""

import asyncio
import fcntl
import json
import logging
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import TextIO

import psutil

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.02
# Waiting for longer than this is told to the user.
_PATIENCE_SECONDS = 1.0
_CLOCK_SECONDS = 60.0


class Underway:
    """A lock held by a courier for one channel; it ends with the process that holds it."""

    def __init__(self, store: Path, channel: str, owner: tuple[int, float]) -> None:
        """Take the lock; `owner` is `this_process()` of the run."""
        self._path = _folder(store) / channel
        self._file = _create_locked(self._path)
        self._file.write(json.dumps(owner))
        self._file.flush()

    def end(self) -> None:
        """Give the lock back and leave nothing behind."""
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
        if path.exists():
            return file
        file.close()


def this_process() -> tuple[int, float]:
    """Name this process for as long as the machine runs: its number alone is used again."""
    return os.getpid(), psutil.Process().create_time()


async def wait_for_ended_runs(store: Path, *, mine: Collection[str]) -> None:
    """Wait until no call is under way whose run has ended.

    `mine` are the channels that are open in this process. It lasts at most as long as a call may
    (`limits.call_timeout_seconds` of the run that sent it).
    """
    started, is_told = time.monotonic(), False
    while _is_any_underway(store, mine):
        if not is_told and time.monotonic() - started > _PATIENCE_SECONDS:
            is_told = True
            log.info("Waiting for the answers to what an earlier run had sent when it ended")
        await asyncio.sleep(_POLL_SECONDS)


def _is_any_underway(store: Path, mine: Collection[str]) -> bool:
    folder = _folder(store)
    if not folder.is_dir():
        return False
    return any(_is_underway(path) for path in folder.iterdir() if path.name not in mine)


def _is_underway(path: Path) -> bool:
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return not _lives_elsewhere(file.read())
            # Nobody holds it: its courier was killed as well.
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return False
    _remove_if_empty(path.parent)
    return False


def _lives_elsewhere(owner: str) -> bool:
    """Tell whether another process that lives has sent it; what is half written is waited for."""
    try:
        pid, created = json.loads(owner)
        age = psutil.Process(pid).create_time() - created
        # A clock that is set moves the time at which a process is said to have begun.
        return pid != os.getpid() and abs(age) < _CLOCK_SECONDS
    except (ValueError, psutil.NoSuchProcess):
        return False


def _folder(store: Path) -> Path:
    return store.with_name(f"{store.name}.underway")


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        # Another channel is open.
        return
