"""Greedy decoding of one batch, in which a row that has ended costs nothing more."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from ragtuned_kedro.language_models.chat import Chat
from ragtuned_kedro.language_models.token_steps import TokenSteps
from ragtuned_kedro.schemas.records import Prompt


@dataclass
class GreedyRow:
    """What one prompt has been answered so far, without the end token.

    `first_token_seconds` is the wall time until the whole batch had its first tokens, `n_unsaid`
    the number of tokens that were decoded on the way and are not part of the answer.
    """

    ids: list[int] = field(default_factory=list)
    has_ended: bool = False
    first_token_seconds: float = 0.0
    n_unsaid: int = 0

    @property
    def n_decoded(self) -> int:
        """Count every token that was decoded."""
        return len(self.ids) + self.n_unsaid


class Decoder(Protocol):
    """Turns prompts into answers."""

    @property
    def model(self) -> Any:
        """Show what the prompts have to fit into."""
        ...

    def decode(
        self, prompts: Sequence[Prompt], encoded: Sequence[Sequence[int]], *, max_new_tokens: int
    ) -> list[GreedyRow]:
        """Answer each prompt; `encoded` holds their tokens."""
        ...


@dataclass(frozen=True)
class GreedyDecoder:
    """Says the likeliest token each time."""

    model: Any
    chat: Chat

    def decode(
        self, prompts: Sequence[Prompt], encoded: Sequence[Sequence[int]], *, max_new_tokens: int
    ) -> list[GreedyRow]:
        """Answer each prompt greedily."""
        return decode_greedily(
            self.model,
            encoded,
            max_new_tokens=max_new_tokens,
            end_ids=self.chat.end_ids,
            pad_id=self.chat.pad_id,
        )


@torch.inference_mode()
def decode_greedily(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    end_ids: frozenset[int],
    pad_id: int,
) -> list[GreedyRow]:
    """Continue every prompt with the likeliest token until an end token or `max_new_tokens`."""
    if not prompts:
        return []
    started = time.monotonic()
    rows = [GreedyRow() for _ in prompts]
    open_rows = list(rows)
    steps = TokenSteps(model, prompts, pad_id=pad_id)
    for _ in range(max_new_tokens):
        tokens = steps.logits().argmax(-1).tolist()
        still_open = []
        for index, (row, token) in enumerate(zip(open_rows, tokens, strict=True)):
            row.first_token_seconds = row.first_token_seconds or time.monotonic() - started
            if token in end_ids:
                row.has_ended = True
            else:
                row.ids.append(token)
                still_open.append(index)
        if not still_open:
            break
        open_rows = [open_rows[index] for index in still_open]
        steps.say([tokens[index] for index in still_open], still_open)
    return rows
