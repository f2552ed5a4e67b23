"""A model whose every answer is paid for out of a purse and kept in a store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from ragtuned_kedro.language_models.boundary import CallableModel, RequestRefusedError
from ragtuned_kedro.language_models.call_file import Call, Outcome, Sending
from ragtuned_kedro.language_models.completion_store import CompletionStore, request_sha
from ragtuned_kedro.language_models.leaving import Leaving
from ragtuned_kedro.language_models.purse import Amount, Purse
from ragtuned_kedro.schemas.records import Completion, Prompt

# A chat template adds a few tokens around each message.
_TOKENS_PER_MESSAGE = 16
# The most that probing takes: one answer for each of two modes.
_PROBE = Amount(2, 2 * 64, 2 * 64)


class PaidModel:
    """One model, one store, one purse; to be used inside `open()`, in one event loop at a time."""

    def __init__(self, model: CallableModel, store: CompletionStore, purse: Purse) -> None:
        self.model = model
        self.store = store
        self._purse = purse
        self._leaving = Leaving(store)
        self._asked: dict[str, asyncio.Future[None]] = {}
        self._probing = asyncio.Lock()

    def request_sha(self, prompt: Prompt, max_new_tokens: int) -> str:
        """Name a request to this model."""
        return request_sha(self.model.model_id, prompt, max_new_tokens, self.model.sampling)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Hold the connections, and begin with what was spent before."""
        self._asked = {}
        self._probing = asyncio.Lock()
        self._purse.open(self._spent())
        async with self.model.open(self.store):
            yield

    @asynccontextmanager
    async def one_at_a_time(self, sha: str) -> AsyncIterator[None]:
        """Let equal requests wait for the first of them, whose reply then lies in the store."""
        while (earlier := self._asked.get(sha)) is not None:
            # Shielded: a waiter that is cancelled must not cancel what the others wait for.
            await asyncio.shield(earlier)
        mine = self._asked[sha] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._asked[sha]
            mine.set_result(None)

    async def pay(
        self,
        prompt: Prompt,
        max_new_tokens: int,
        schema: dict[str, Any] | None,
        *,
        sha: str,
        attempt: int,
        stage: str,
    ) -> Completion:
        """Call the model within the purse; a schema it refuses is not sent again.

        That the prompt leaves is kept before it does.
        """
        await self._choose_mode(schema)
        n_bytes = sum(len(m.content.encode()) + _TOKENS_PER_MESSAGE for m in prompt.messages)
        most = Amount(1, n_bytes, max_new_tokens)
        await self._purse.reserve(most)
        paid = Amount()
        sending = Sending(sha, attempt, stage, prompt.key, self.model.model_id, self.model.endpoint)
        number = self._leaving.note(sending)
        kept_as = ((sha, attempt),)
        before = partial(self._leaving.write, number)
        try:
            try:
                completion = await self.model.call(
                    prompt,
                    max_new_tokens=max_new_tokens,
                    schema=schema,
                    before=before,
                    kept_as=kept_as,
                )
            except RequestRefusedError:
                if schema is None or self.model.mode == "prompt":
                    raise
                completion = await self.model.call(
                    prompt, max_new_tokens=max_new_tokens, before=before, kept_as=kept_as
                )
            if completion.finish_reason != "error":
                paid = Amount(1, completion.n_prompt_tokens, completion.n_completion_tokens)
        finally:
            self._leaving.forget(number)
            self._purse.settle(most, paid)
        return completion

    async def _choose_mode(self, schema: dict[str, Any] | None) -> None:
        """Probe the endpoint before the first reply with a shape is asked for."""
        if schema is None or self.model.mode is not None:
            return
        async with self._probing:
            if self.model.mode is not None:
                return
            before = self._spent()
            await self._purse.reserve(_PROBE)
            try:
                self.model.mode = await self.model.probe(self.store)
            finally:
                self._purse.settle(_PROBE, self._spent().plus(before, times=-1))

    def _spent(self) -> Amount:
        return Amount(*self.store.spent(self.model.model_id, self.model.endpoint))

    def keep(
        self,
        sha: str,
        attempt: int,
        stage: str,
        outcome: Outcome,
        completion: Completion,
        error: str | None,
    ) -> Call:
        """Keep a call; only a valid reply keeps its text."""
        call = Call(
            sha,
            attempt,
            stage,
            self.model.model_id,
            self.model.endpoint,
            outcome,
            completion.text if outcome == "valid" else None,
            completion.finish_reason,
            completion.n_prompt_tokens,
            completion.n_completion_tokens,
            completion.seconds,
            error,
        )
        self.store.add_call(call)
        return call
