"""The connections to one OpenAI-compatible endpoint: limits, time-outs, repetitions, the key.

The openai SDK carries the requests, in a process of its own (see `courier`); how often and how
many at once is decided here, because the SDK's own repetition knows neither our limits nor our
store.
"""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from pydantic import SecretStr, ValidationError

from ragtuned_kedro.language_models.boundary import RequestRefusedError
from ragtuned_kedro.language_models.call_file import Arrival, KeptAs
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.courier.channel import Channel, open_channel
from ragtuned_kedro.language_models.courier.frames import Answer
from ragtuned_kedro.language_models.egress import check_egress
from ragtuned_kedro.language_models.faults import Fault
from ragtuned_kedro.language_models.limits import Pace, Patience
from ragtuned_kedro.schemas.endpoint_parameters import AddressParams
from ragtuned_kedro.schemas.errors import UserError

T = TypeVar("T")
# One call waits with the courier, so that an answer is followed by the next request before the run
# has read it. With more of them calls travel in bunches, which takes longer (see docs/log.md).
_N_WAITING = 1


class Endpoint:
    """One endpoint in one role, with its limits; see `AddressParams`.

    The key is held as a secret, and the courier takes it out of every message.
    """

    def __init__(self, params: AddressParams, *, role: str, api_key: SecretStr | None) -> None:
        """Name the endpoint; nothing is sent.

        Raises:
            UserError: If `params.egress` forbids the endpoint.
        """
        check_egress(params.url, params.egress, setting=role)
        self._params = params
        self._role = role
        self._api_key = api_key
        limits = params.limits
        self._requests = Pace(limits.requests_per_minute)
        self._tokens = Pace(limits.tokens_per_minute)
        self._patience = Patience(
            first_backoff_seconds=limits.first_backoff_seconds,
            max_backoff_seconds=limits.max_backoff_seconds,
            dead_after_failures=limits.dead_after_failures,
            dead_after_seconds=limits.dead_after_seconds,
            total_timeout_seconds=limits.total_timeout_seconds,
            endpoint=f"{role}: {params.url}",
        )
        self._channel: Channel | None = None
        self._arrived: dict[KeptAs, Arrival] = {}
        self._slots = asyncio.Semaphore(limits.concurrency)

    @asynccontextmanager
    async def open(self, store: CompletionStore | None = None) -> AsyncIterator[None]:
        """Hold the connections of one event loop; `store` is where answers are kept.

        Raises:
            UserError: If the process that carries the calls does not start.
        """
        limits = self._params.limits
        n_at_hand = limits.concurrency + _N_WAITING
        self._slots = asyncio.Semaphore(n_at_hand)
        async with open_channel(
            url=self._params.url,
            api_key=self._api_key,
            concurrency=limits.concurrency,
            n_at_hand=n_at_hand,
            call_timeout_seconds=limits.call_timeout_seconds,
            # A proxy must not carry the text elsewhere than the user allowed.
            trust_env=self._params.egress == "any",
            store=None if store is None else store.path,
        ) as self._channel:
            self._arrived = {} if store is None else store.arrivals(self._params.url)
            yield
        self._channel = None

    async def insist(
        self,
        send: Callable[[], Awaitable[T | Fault]],
        *,
        expected_tokens: float,
        n_tokens: Callable[[T], int],
    ) -> T | Fault:
        """Send within the limits, and again after passing faults; the last fault if none helped.

        Once `send` has an outcome nothing is awaited any more, so that a caller may keep it before
        another call gets its slot.

        Raises:
            RequestRefusedError: If the endpoint will never take this request.
            UserError: If it takes no request at all: dead, a wrong key, an unknown model.
        """
        gives_up_at = time.monotonic() + self._params.limits.total_timeout_seconds
        n_tries = 0
        while True:
            await self._patience.admit()
            wait = max(self._requests.reserve(1), self._tokens.reserve(expected_tokens))
            if wait > 0:
                await asyncio.sleep(wait)
            async with self._slots:
                outcome = await send()
            if not isinstance(outcome, Fault):
                self._patience.succeeded()
                self._tokens.correct(n_tokens(outcome) - expected_tokens)
                return outcome
            n_tries += 1
            self._note(outcome)
            delay = self._patience.backoff(n_tries, outcome.retry_after)
            if time.monotonic() + delay > gives_up_at:
                told = f"no answer after {n_tries} tries (last: {outcome.detail})"
                return dataclasses.replace(outcome, detail=told)
            await asyncio.sleep(delay)

    async def post(
        self,
        path: str,
        body: bytes,
        read: Callable[[bytes, float], T],
        *,
        kept_as: KeptAs = (),
    ) -> T | Fault:
        """Send one request; what went wrong is returned as it is.

        `read` gets the content and the seconds it took; a ValidationError of it is a fault. What
        was sent for an earlier run that has ended since, to be kept as the same, is not sent again.

        Raises:
            RequestRefusedError: If `read` does.
        """
        assert self._channel is not None, "post only inside open()"  # noqa: S101
        answer: Arrival | Answer | Fault | None = self._arrived.pop(kept_as, None)
        if answer is None:
            answer = await self._channel.post(path, body, kept_as)
        if isinstance(answer, Fault):
            return answer
        try:
            return read(answer.content, answer.seconds)
        except ValidationError:
            return Fault("passing", "the answer has not the shape that was asked for")

    def _note(self, fault: Fault) -> None:
        """Count a fault.

        Raises:
            UserError: If it stops every request.
            RequestRefusedError: If it stops this one.
        """
        url = self._params.url
        if fault.kind == "settings":
            raise UserError(f"{url} refused {self._role} ({fault.detail}); {fault.hint}")
        if fault.kind == "refused":
            raise RequestRefusedError(fault.detail)
        if fault.kind == "throttled":
            self._patience.throttled(fault.retry_after)
        else:
            self._patience.failed(fault.detail)
