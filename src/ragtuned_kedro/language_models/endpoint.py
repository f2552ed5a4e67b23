"""The connections to one OpenAI-compatible endpoint: limits, time-outs, repetitions, the key.

The openai SDK carries the requests; how often, how long and how many at once is decided here,
because its own repetition knows neither our limits nor our store.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from pydantic import SecretStr, ValidationError

from ragtuned_kedro.language_models.boundary import RequestRefusedError
from ragtuned_kedro.language_models.egress import check_egress
from ragtuned_kedro.language_models.faults import Fault, classify_fault
from ragtuned_kedro.language_models.limits import Pace, Patience
from ragtuned_kedro.schemas.endpoint_parameters import AddressParams
from ragtuned_kedro.schemas.errors import UserError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")


class Endpoint:
    """One endpoint in one role, with its limits; see `AddressParams`.

    The key is held as a secret and taken out of every message that leaves here.
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
        )
        self._client: AsyncOpenAI | None = None
        self._slots = asyncio.Semaphore(limits.concurrency)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Hold the connections of one event loop."""
        from openai import AsyncOpenAI

        from ragtuned_kedro.language_models.carrier import Carrier

        n = self._params.limits.concurrency
        # A proxy must not carry the text elsewhere than the user allowed.
        carrier = Carrier(concurrency=n, trust_env=self._params.egress == "any")
        self._slots = asyncio.Semaphore(n)
        key = self._api_key.get_secret_value() if self._api_key else "none"
        async with AsyncOpenAI(
            api_key=key,
            base_url=self._params.url,
            max_retries=0,
            timeout=self._params.limits.call_timeout_seconds,
            http_client=carrier,
        ) as self._client:
            yield
        self._client = None

    async def insist(
        self,
        send: Callable[[], Awaitable[T | Fault]],
        *,
        expected_tokens: float,
        n_tokens: Callable[[T], int],
    ) -> T | Fault:
        """Send within the limits, and again after passing faults; the last fault if none helped.

        Once `send` has an outcome nothing is awaited any more, so that a caller may keep it before
        another call gets its slot, and with it the connection.

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

    async def post(self, path: str, body: bytes, read: Callable[[bytes, float], T]) -> T | Fault:
        """Send one request; what went wrong is returned as it is.

        `read` gets the content and the seconds it took; a ValidationError of it is a fault.

        Raises:
            RequestRefusedError: If `read` does.
        """
        import aiohttp
        import httpx
        import openai

        assert self._client is not None, "post only inside open()"  # noqa: S101
        # Whole, because the SDK takes its time to join an address.
        url = f"{self._params.url.rstrip('/')}/{path}"
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._params.limits.call_timeout_seconds):
                response = await self._client.post(url, content=body, cast_to=httpx.Response)
            return read(response.content, time.perf_counter() - started)
        except (
            openai.OpenAIError,
            httpx.HTTPError,
            aiohttp.ClientError,
            OSError,
            ValidationError,
        ) as error:
            return classify_fault(error, hide=self._hide)

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
            self._patience.failed(fault.detail, endpoint=f"{self._role}: {url}")

    def _hide(self, text: str) -> str:
        """Take the key out of a message: some servers send back what they were sent."""
        secret = self._api_key.get_secret_value() if self._api_key else ""
        return text.replace(secret, "***") if secret else text
