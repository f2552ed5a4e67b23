"""What every language model looks like from the rooms: prompts in, as many completions out."""

from collections.abc import Callable, Sequence
from typing import Protocol

from ragtuned_kedro.schemas.records import Completion, Prompt

Keep = Callable[[Sequence[Completion]], None]


class LanguageModel(Protocol):
    """One completion per prompt, in the same order; a failed call is a completion too."""

    @property
    def model_id(self) -> str:
        """Name everything that decides the answer: weights, adapter and chat template."""
        ...

    def complete(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, keep: Keep | None = None
    ) -> list[Completion]:
        """Answer every prompt; `keep` is given each batch of completions as it is finished."""
        ...
