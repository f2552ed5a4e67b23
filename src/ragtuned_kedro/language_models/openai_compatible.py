"""Any OpenAI-compatible chat endpoint (hosted, vLLM, llama.cpp, Ollama, TGI) as a language model.

The openai SDK carries the requests; how often, how long and how many at once is decided here,
because its own repetition knows neither our limits nor our store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr, ValidationError

from ragtuned_kedro.language_models.boundary import Keep, ReplyMode, RequestRefusedError
from ragtuned_kedro.language_models.bounded import run_bounded
from ragtuned_kedro.language_models.chat_wire import read_answer, request_body
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.egress import check_egress
from ragtuned_kedro.language_models.faults import Fault, classify_fault
from ragtuned_kedro.language_models.limits import Pace, Patience
from ragtuned_kedro.language_models.probe import probe_mode
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.parameters import EndpointParams
from ragtuned_kedro.schemas.records import Completion, Prompt

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# Prompts held at hand for each one on its way, so that those who wait to ask again do not leave
# the endpoint idle.
_WAITING_PER_CALL = 4


class OpenAiCompatibleModel:
    """One model behind one endpoint, with its limits; see `EndpointParams`.

    `complete` fulfils the `LanguageModel` protocol, `call` the `CallableModel` protocol. The key
    is held as a secret and taken out of every message that leaves here.
    """

    def __init__(
        self, params: EndpointParams, *, role: str = "teacher", api_key: SecretStr | None = None
    ) -> None:
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
        self.mode: ReplyMode | None = None

    @property
    def model_id(self) -> str:
        """Name the model as the endpoint does."""
        return self._params.model

    @property
    def endpoint(self) -> str:
        """Give the URL."""
        return self._params.url

    @property
    def sampling(self) -> dict[str, Any]:
        """Give temperature, top_p and seed."""
        return self._params.sampling.model_dump(mode="json")

    @property
    def n_waiting(self) -> int:
        """Give the number of prompts to hold at hand."""
        return _WAITING_PER_CALL * self._params.limits.concurrency

    def complete(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, keep: Keep | None = None
    ) -> list[Completion]:
        """Answer every prompt, in order; `keep` is given each completion as it arrives."""
        answers: dict[int, Completion] = {}

        async def answer(place: int) -> None:
            try:
                answers[place] = await self.call(prompts[place], max_new_tokens=max_new_tokens)
            except RequestRefusedError as error:
                answers[place] = Completion(prompts[place].key, "", "error", 0, 0, 0.0, str(error))
            if keep is not None:
                keep([answers[place]])

        run_bounded(range(len(prompts)), answer, n_workers=self.n_waiting, within=self.open)
        return [answers[place] for place in range(len(prompts))]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Hold the connections of one event loop."""
        import httpx
        from openai import AsyncOpenAI, DefaultAioHttpClient

        n = self._params.limits.concurrency
        # Neither a proxy nor a redirect may carry the text elsewhere than the user allowed.
        carrier = DefaultAioHttpClient(
            limits=httpx.Limits(max_connections=n, max_keepalive_connections=n),
            follow_redirects=False,
            trust_env=self._params.egress == "any",
        )
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

    async def call(
        self, prompt: Prompt, *, max_new_tokens: int, schema: dict[str, Any] | None = None
    ) -> Completion:
        """Answer one prompt, waiting for the limits and asking again after passing faults.

        Raises:
            RequestRefusedError: If the endpoint will never take this prompt.
            UserError: If it takes no prompt at all: dead, a wrong key, an unknown model.
        """
        limits = self._params.limits
        gives_up_at = time.monotonic() + limits.total_timeout_seconds
        n_bytes = sum(len(message.content.encode()) for message in prompt.messages)
        expected = n_bytes / 4 + max_new_tokens
        n_tries = 0
        while True:
            await self._patience.admit()
            await asyncio.sleep(max(self._requests.reserve(1), self._tokens.reserve(expected)))
            async with self._slots:
                outcome = await self.try_once(
                    prompt,
                    max_new_tokens=max_new_tokens,
                    schema=schema,
                    mode=self.mode or "prompt",
                )
            if isinstance(outcome, Completion):
                self._patience.succeeded()
                used = outcome.n_prompt_tokens + outcome.n_completion_tokens
                self._tokens.correct(used - expected)
                return outcome
            n_tries += 1
            self._note(outcome)
            delay = self._patience.backoff(n_tries, outcome.retry_after)
            if time.monotonic() + delay > gives_up_at:
                fault = f"no answer after {n_tries} tries (last: {outcome.detail})"
                return Completion(prompt.key, "", "error", 0, 0, 0.0, fault)
            await asyncio.sleep(delay)

    async def probe(self, store: CompletionStore) -> ReplyMode:
        """Find the strictest way of asking for JSON that the endpoint holds to."""
        return await probe_mode(self, store)

    async def try_once(
        self,
        prompt: Prompt,
        *,
        max_new_tokens: int,
        schema: dict[str, Any] | None,
        mode: ReplyMode,
    ) -> Completion | Fault:
        """Send one request; what went wrong is returned as it is.

        Raises:
            RequestRefusedError: If the endpoint's filter withheld the reply.
        """
        import httpx
        import openai

        assert self._client is not None, "call only inside open()"  # noqa: S101
        body = request_body(self._params, prompt, max_new_tokens, schema=schema, mode=mode)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._params.limits.call_timeout_seconds):
                response = await self._client.post(
                    "/chat/completions", body=body, cast_to=httpx.Response
                )
            return read_answer(prompt, response.content, time.perf_counter() - started)
        except (openai.OpenAIError, httpx.HTTPError, OSError, ValidationError) as error:
            return classify_fault(error, hide=self._hide)

    def _note(self, fault: Fault) -> None:
        """Count a fault.

        Raises:
            UserError: If it stops every prompt.
            RequestRefusedError: If it stops this one.
        """
        if fault.kind == "settings":
            raise UserError(f"{self.endpoint} refused {self._role} ({fault.detail}); {fault.hint}")
        if fault.kind == "refused":
            raise RequestRefusedError(fault.detail)
        if fault.kind == "throttled":
            self._patience.throttled(fault.retry_after)
        else:
            self._patience.failed(fault.detail, endpoint=f"{self._role}: {self.endpoint}")

    def _hide(self, text: str) -> str:
        """Take the key out of a message: some servers send back what they were sent."""
        secret = self._api_key.get_secret_value() if self._api_key else ""
        return text.replace(secret, "***") if secret else text
