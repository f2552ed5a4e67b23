"""Chat messages to the base model's tokens, the same for training and for answering."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from typing import Any

from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import Message


@dataclass(frozen=True)
class TokenizedChat:
    """A chat as token ids; `is_target` marks the tokens that the loss counts.

    `branches` are the places where branches begin: what stands there sees its own branch and what
    stands before the first one, as if the other branches were not there. There may be none.
    """

    ids: tuple[int, ...]
    is_target: tuple[bool, ...]
    branches: tuple[int, ...] = ()

    def first(self, n_tokens: int) -> "TokenizedChat":
        """Cut the chat after `n_tokens`."""
        branches = tuple(start for start in self.branches if start < n_tokens)
        return TokenizedChat(self.ids[:n_tokens], self.is_target[:n_tokens], branches)

    def target_ids(self) -> list[int]:
        """List the tokens that the loss counts: the answer and its end."""
        return list(compress(self.ids, self.is_target))


class Chat:
    """The tokenizer of a base model together with its chat template."""

    def __init__(self, tokenizer: Any, end_ids: frozenset[int]) -> None:
        self.tokenizer = tokenizer
        # Many questions have the same passage as their answer.
        self._answer_ids = lru_cache(maxsize=4096)(lambda text: self._end(self.text_ids(text)))
        # Examples are counted where they are made and encoded once more where they are tuned on.
        self._example_ids = lru_cache(maxsize=16384)(self._encode_example)
        self.end_ids = end_ids
        self.pad_id: int = (
            tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        )

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Encode what the model sees before it begins to answer."""
        return self.text_ids(self._render(messages, add_generation_prompt=True))

    def example_ids(self, messages: Sequence[Message]) -> TokenizedChat:
        """Encode a whole chat; the last answer and the token that ends it are the targets.

        The prompt part is `prompt_ids` of the earlier messages, token by token, so the model is
        never asked with a tokenization that it was not trained on.

        Raises:
            UserError: If the chat template rewrites the prompt once an answer follows.
        """
        return self._example_ids(tuple(messages))

    def _encode_example(self, messages: tuple[Message, ...]) -> TokenizedChat:
        prompt = self._render(messages[:-1], add_generation_prompt=True)
        whole = self._render(messages, add_generation_prompt=False)
        if not whole.startswith(prompt):
            raise UserError(
                "base_model.chat_template renders a prompt differently once an answer follows; "
                "training needs a template whose prompt is the beginning of the whole chat"
            )
        prompt_ids = self.text_ids(prompt)
        answer_ids = self._answer_ids(whole[len(prompt) :])
        return TokenizedChat(
            ids=(*prompt_ids, *answer_ids),
            is_target=(False,) * len(prompt_ids) + (True,) * len(answer_ids),
        )

    def count_tokens(self, messages: Sequence[Message]) -> tuple[int, int]:
        """Count all tokens of a chat and those of them that are targets."""
        chat = self.example_ids(messages)
        return len(chat.ids), sum(chat.is_target)

    def decode(self, ids: Sequence[int]) -> str:
        """Turn an answer's ids into text, without its end token."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def _render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        turns = [
            {"role": message.role, "content": message.content}
            for message in messages
            if message.content or message.role != "system"
        ]
        return str(
            self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        )

    def text_ids(self, text: str) -> list[int]:
        """Encode a text as it stands; a template writes every special token itself."""
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _end(self, ids: list[int]) -> list[int]:
        """Cut what a template puts after the end token; add the end token where it puts none."""
        ends = [position for position, token in enumerate(ids) if token in self.end_ids]
        return ids[: ends[-1] + 1] if ends else [*ids, self.tokenizer.eos_token_id]


@lru_cache(maxsize=2)
def load_chat(base_model_path: str) -> Chat:
    """Load the tokenizer of a base model folder, which does not change once it is there.

    Raises:
        UserError: If the tokenizer has no chat template.
    """
    from transformers import AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(base_model_path, local_files_only=True)
    if not tokenizer.chat_template:
        raise UserError(
            f"the tokenizer in {base_model_path} has no chat template; set base_model.chat_template"
        )
    try:
        named = GenerationConfig.from_pretrained(base_model_path, local_files_only=True)
        ends = named.eos_token_id
    except OSError:
        ends = None
    end_ids = {tokenizer.eos_token_id, *([ends] if isinstance(ends, int) else ends or [])}
    return Chat(tokenizer, frozenset(end_ids))
