"""How probable it is that a tuned model refuses a question, as it stands and in fewer words."""

import math
from collections.abc import Sequence
from typing import Any

from ragtuned_kedro.language_models.chat import Chat
from ragtuned_kedro.language_models.rereading import token_log_probabilities
from ragtuned_kedro.schemas.records import Prompt

# A long question is asked in so many ways at most.
_MOST_LEFT_OUT = 32


def believe_in_refusals(
    model: Any,
    chat: Chat,
    prompts: Sequence[Prompt],
    opening: Sequence[int],
    *,
    with_fewer_words: bool,
) -> list[float]:
    """Tell, in nats, how likely a refusal's `opening` is after each prompt.

    `with_fewer_words` takes the largest over the prompt and the prompts whose last message lacks
    one of its words. A model that knows an answer mostly knows it whichever word is left out; one
    that knows only what some of the words are about refuses when it is asked without them. How
    likely the best passage is tells nothing about it: a model that knows spreads its belief over
    passages that resemble each other.
    """
    asked = [
        [question, *(leave_words_out(question) if with_fewer_words else [])]
        for question in (prompt.messages[-1].content for prompt in prompts)
    ]
    pairs = [
        (chat.prompt_ids((*before, last.model_copy(update={"content": text}))), opening)
        for (*before, last), texts in zip(
            (prompt.messages for prompt in prompts), asked, strict=True
        )
        for text in texts
    ]
    told = iter(token_log_probabilities(model, pairs, pad_id=chat.pad_id))
    return [max(float(next(told).sum()) for _ in texts) for texts in asked]


def leave_words_out(question: str) -> list[str]:
    """Write a question without each of its words in turn; of many words some are left in."""
    words = question.split()
    step = math.ceil(len(words) / _MOST_LEFT_OUT)
    if len(words) < 2:
        return []
    return [" ".join([*words[:at], *words[at + 1 :]]) for at in range(0, len(words), step)]
