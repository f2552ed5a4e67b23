"""What every language model looks like from the rooms: prompts in, as many completions out."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ragtuned_kedro.language_models.call_file import KeptAs
from ragtuned_kedro.schemas.records import Completion, Prompt

if TYPE_CHECKING:
    from ragtuned_kedro.language_models.completion_store import CompletionStore

Keep = Callable[[Sequence[Completion]], None]
# How a server is asked for JSON; `prompt` is in words alone.
ReplyMode = Literal["json_schema", "json_object", "prompt"]


def do_nothing() -> None:
    """Do nothing before a prompt leaves."""


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


class RequestRefusedError(Exception):
    """The model will never answer this request as it stands, for example one that is too long."""


class CallableModel(Protocol):
    """A language model that many coroutines may call at once.

    `mode` is null until `probe` has told it.
    """

    mode: ReplyMode | None

    @property
    def model_id(self) -> str:
        """Name the model."""
        ...

    @property
    def endpoint(self) -> str:
        """Name where the prompts go."""
        ...

    @property
    def sampling(self) -> dict[str, Any]:
        """Name the settings that decide the answer besides model and prompt."""
        ...

    @property
    def n_waiting(self) -> int:
        """Say how many prompts are worth having at hand: more than are answered at once."""
        ...

    def open(self, store: "CompletionStore") -> AbstractAsyncContextManager[None]:
        """Hold the connections of one event loop; `call` works only inside.

        Answers to calls that an earlier run had sent, and did not live to keep, lie in `store`.
        """
        ...

    async def probe(self, store: "CompletionStore") -> ReplyMode:
        """Find out how replies of a shape are asked for; `store` remembers it."""
        ...

    async def call(
        self,
        prompt: Prompt,
        *,
        max_new_tokens: int,
        schema: dict[str, Any] | None = None,
        before: Callable[[], None] = do_nothing,
        kept_as: KeptAs = (),
    ) -> Completion:
        """Answer one prompt; `schema` is the JSON schema that the reply should follow.

        `before` is called whenever the prompt is about to leave; if it raises, nothing leaves.
        `kept_as` names the call in the store.

        A call that failed and may succeed later is a completion that finished with error.

        Raises:
            RequestRefusedError: If asking again is of no use.
            UserError: If no prompt can be answered: a dead endpoint, a wrong key.
        """
        ...
