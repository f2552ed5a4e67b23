"""A language model that follows a script: for tests, and for runs without any model."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ragtuned_kedro.language_models.boundary import Keep, ReplyMode, do_nothing
from ragtuned_kedro.language_models.call_file import KeptAs
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.schemas.records import Completion, Prompt


class ScriptedModel:
    """Replies with what `script` makes of a prompt; counts one token per word."""

    sampling: dict[str, Any] = {}
    endpoint = "in process"
    n_waiting = 1
    mode: ReplyMode | None = "prompt"

    def __init__(self, script: Callable[[Prompt], str], *, model_id: str = "scripted") -> None:
        self.model_id = model_id
        self.asked: list[Prompt] = []
        self._script = script

    def complete(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, keep: Keep | None = None
    ) -> list[Completion]:
        """Follow the script prompt by prompt."""
        answers = [self._answer(prompt, max_new_tokens) for prompt in prompts]
        if keep is not None:
            keep(answers)
        return answers

    @asynccontextmanager
    async def open(self, store: CompletionStore) -> AsyncIterator[None]:
        """Hold nothing."""
        yield

    async def probe(self, store: CompletionStore) -> ReplyMode:
        """Ask for JSON in words."""
        return "prompt"

    async def call(
        self,
        prompt: Prompt,
        *,
        max_new_tokens: int,
        schema: dict[str, Any] | None = None,
        before: Callable[[], None] = do_nothing,
        kept_as: KeptAs = (),
    ) -> Completion:
        """Follow the script."""
        before()
        return self._answer(prompt, max_new_tokens)

    def _answer(self, prompt: Prompt, max_new_tokens: int) -> Completion:
        self.asked.append(prompt)
        words = self._script(prompt).split(" ")
        said = words[:max_new_tokens]
        n_prompt = sum(len(message.content.split()) for message in prompt.messages)
        reason = "stop" if len(said) == len(words) else "length"
        return Completion(prompt.key, " ".join(said), reason, n_prompt, len(said), 0.0)  # type: ignore[arg-type]
