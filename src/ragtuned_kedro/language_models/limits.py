"""How fast an endpoint is asked, and when it counts as dead."""

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable

from ragtuned_kedro.schemas.errors import UserError

log = logging.getLogger(__name__)
# Throttled so often in a row, with no success between, an endpoint is left alone by everybody.
_ROW_OF_THROTTLES = 3
# A longer wait of everybody is told, or the run would look as if it hung.
_SILENT_SECONDS = 5.0


def too_long_alone(endpoint: str, asked_seconds: float, most_seconds: float) -> UserError:
    """Say that `endpoint` asks to be left alone for longer than a run waits for a prompt."""
    return UserError(
        f"{endpoint} asks to be left alone for {_in_words(asked_seconds)}, and a prompt waits for "
        f"at most {_in_words(most_seconds)} (limits.total_timeout_seconds). Everything it answered "
        "is kept: give the same command again after that time to go on where this stopped"
    )


def tell_pause(endpoint: str, seconds: float) -> None:
    """Log that nobody asks `endpoint` for a while, unless it is a short one."""
    if seconds > _SILENT_SECONDS:
        log.warning(
            "%s asks to be left alone for %s; the run goes on after that",
            endpoint,
            _in_words(seconds),
        )


def _in_words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


class Pace:
    """Spaces out requests so that no minute holds more than `per_minute` of them (or of tokens).

    Each taker reserves the time slot after the one before it (the generic cell rate algorithm with
    no burst), so an amount larger than a minute's worth only waits longer. Safe between threads.
    """

    def __init__(self, per_minute: float | None, clock: Callable[[], float] = time.monotonic):
        self._seconds_each = 0.0 if per_minute is None else 60.0 / per_minute
        self._clock = clock
        self._free_at = 0.0
        self._lock = threading.Lock()

    def reserve(self, amount: float) -> float:
        """Take the next slot for `amount`; return the seconds until it begins."""
        with self._lock:
            now = self._clock()
            begins = max(now, self._free_at)
            self._free_at = begins + amount * self._seconds_each
            return begins - now

    def correct(self, amount: float) -> None:
        """Lengthen (or, below zero, shorten) what was reserved, once the true amount is known."""
        with self._lock:
            self._free_at += amount * self._seconds_each


class Patience:
    """Counts failures in a row: how long to wait after one, and when to give up on the endpoint.

    A server that asks to be left alone for longer than `total_timeout_seconds` (one whose daily
    quota is used up) stops the run: else each prompt would end without an answer, one by one.
    """

    def __init__(
        self,
        *,
        first_backoff_seconds: float,
        max_backoff_seconds: float,
        dead_after_failures: int,
        dead_after_seconds: float,
        total_timeout_seconds: float,
        endpoint: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first = first_backoff_seconds
        self._most = max_backoff_seconds
        self._dead_after_failures = dead_after_failures
        self._dead_after_seconds = dead_after_seconds
        self._total_timeout_seconds = total_timeout_seconds
        self._endpoint = endpoint
        self._clock = clock
        self._n_failures = 0
        self._n_throttles = 0
        self._failing_since = 0.0
        self._paused_until = 0.0

    def succeeded(self) -> None:
        """Note an answer."""
        self._n_failures = self._n_throttles = 0

    def throttled(self, retry_after: float | None) -> None:
        """Note that the endpoint asked for less; a living endpoint all the same.

        One throttled call waits by itself. Where nothing but throttles comes back, nobody asks
        until `retry_after` seconds have passed.

        Raises:
            UserError: If that is too long.
        """
        if retry_after is not None and retry_after > self._total_timeout_seconds:
            raise too_long_alone(self._endpoint, retry_after, self._total_timeout_seconds)
        self._n_throttles += 1
        self._n_failures = 0
        if self._n_throttles >= _ROW_OF_THROTTLES and retry_after:
            now = self._clock()
            # Those on their way are throttled, too; one line is enough for all of them.
            if self._paused_until <= now:
                tell_pause(self._endpoint, retry_after)
            self._paused_until = max(self._paused_until, now + retry_after)

    def failed(self, fault: str) -> None:
        """Note a call without an answer.

        Raises:
            UserError: If the endpoint is dead; what was answered is kept.
        """
        if self._n_failures == 0:
            self._failing_since = self._clock()
        self._n_failures += 1
        silent = self._clock() - self._failing_since
        if self._n_failures >= self._dead_after_failures and silent >= self._dead_after_seconds:
            raise UserError(
                f"{self._endpoint} answered none of the last {self._n_failures} calls in "
                f"{silent:.0f} seconds (last: {fault}). Everything it answered before is kept: "
                "see that it runs, then give the same command again to go on where this stopped"
            )

    def backoff(self, n_tries: int, retry_after: float | None) -> float:
        """Choose the seconds to wait after the `n_tries`-th failure of one prompt.

        Doubling, with jitter so that callers do not come back together, and never less than the
        server asked for.
        """
        doubled = self._first * 2.0 ** min(n_tries - 1, 30)
        waited = min(self._most, doubled) * random.uniform(0.5, 1.0)
        return max(waited, (retry_after or 0.0) * random.uniform(1.0, 1.1))

    async def admit(self) -> None:
        """Wait while the endpoint is left alone."""
        while (left := self._paused_until - self._clock()) > 0:
            await asyncio.sleep(left)
