"""Any OpenAI-compatible chat endpoint (hosted, vLLM, llama.cpp, Ollama, TGI) as a model."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import SecretStr

from ragtuned_kedro.language_models.boundary import (
    Keep,
    ReplyMode,
    RequestRefusedError,
    do_nothing,
)
from ragtuned_kedro.language_models.bounded import run_bounded
from ragtuned_kedro.language_models.call_file import KeptAs
from ragtuned_kedro.language_models.chat_wire import read_answer, request_body
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.endpoint import Endpoint
from ragtuned_kedro.language_models.faults import Fault
from ragtuned_kedro.language_models.probe import probe_mode
from ragtuned_kedro.schemas.endpoint_parameters import EndpointParams
from ragtuned_kedro.schemas.records import Completion, Prompt

# Prompts held at hand for each one on its way, so that those who wait to ask again do not leave
# the endpoint idle.
_WAITING_PER_CALL = 4


class OpenAiCompatibleModel:
    """One model behind one endpoint, with its limits; see `EndpointParams`.

    `complete` fulfils the `LanguageModel` protocol, `call` the `CallableModel` protocol.
    """

    def __init__(
        self, params: EndpointParams, *, role: str = "teacher", api_key: SecretStr | None = None
    ) -> None:
        """Name the endpoint; nothing is sent.

        Raises:
            UserError: If `params.egress` forbids the endpoint.
        """
        self._params = params
        self._endpoint = Endpoint(params, role=role, api_key=api_key)
        self._sent = {name: value for name, value in self.sampling.items() if value is not None}
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

    def open(self, store: CompletionStore | None = None) -> AbstractAsyncContextManager[None]:
        """Hold the connections of one event loop."""
        return self._endpoint.open(store)

    async def call(
        self,
        prompt: Prompt,
        *,
        max_new_tokens: int,
        schema: dict[str, Any] | None = None,
        before: Callable[[], None] = do_nothing,
        kept_as: KeptAs = (),
    ) -> Completion:
        """Answer one prompt, waiting for the limits and asking again after passing faults.

        Raises:
            RequestRefusedError: If the endpoint will never take this prompt.
            UserError: If it takes no prompt at all: dead, a wrong key, an unknown model.
        """

        def send() -> Awaitable[Completion | Fault]:
            before()
            return self.try_once(
                prompt,
                max_new_tokens=max_new_tokens,
                schema=schema,
                mode=self.mode or "prompt",
                kept_as=kept_as,
            )

        n_bytes = sum(len(message.content.encode()) for message in prompt.messages)
        outcome = await self._endpoint.insist(
            send,
            expected_tokens=n_bytes / 4 + max_new_tokens,
            n_tokens=lambda answered: answered.n_prompt_tokens + answered.n_completion_tokens,
        )
        if isinstance(outcome, Fault):
            return Completion(prompt.key, "", "error", 0, 0, 0.0, outcome.detail)
        return outcome

    async def probe(self, store: CompletionStore) -> ReplyMode:
        """Find the strictest way of asking for JSON that the endpoint holds to."""
        most_seconds = self._params.limits.total_timeout_seconds
        return await probe_mode(self, store, total_timeout_seconds=most_seconds)

    async def try_once(
        self,
        prompt: Prompt,
        *,
        max_new_tokens: int,
        schema: dict[str, Any] | None,
        mode: ReplyMode,
        kept_as: KeptAs = (),
    ) -> Completion | Fault:
        """Send one request; what went wrong is returned as it is.

        Raises:
            RequestRefusedError: If the endpoint's filter withheld the reply.
        """
        body = request_body(
            self._params.model, self._sent, prompt, max_new_tokens, schema=schema, mode=mode
        )
        return await self._endpoint.post(
            "chat/completions",
            body,
            lambda content, seconds: read_answer(prompt, content, seconds),
            kept_as=kept_as,
        )
