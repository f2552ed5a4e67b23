"""Which questions a tuned model refuses, as they stand and in fewer words."""

import math
from collections.abc import Sequence
from typing import Any

from ragtuned_kedro.language_models.chat import Chat
from ragtuned_kedro.language_models.rereading import token_log_probabilities
from ragtuned_kedro.schemas.records import Prompt

# A long question is asked in so many ways at most.
_MOST_LEFT_OUT = 32


def find_refused(
    model: Any,
    chat: Chat,
    prompts: Sequence[Prompt],
    opening: Sequence[int],
    *,
    least: float,
    with_fewer_words: bool,
) -> list[bool]:
    """Tell after which prompts a refusal's `opening` is as likely as `least`, in nats, or likelier.

    `with_fewer_words` takes the largest over the prompt and the prompts whose last message lacks
    one of its words. A model that knows an answer mostly knows it whichever word is left out; one
    that knows only what some of the words are about refuses when it is asked without them. How
    likely the best passage is tells nothing about it: a model that knows spreads its belief over
    passages that resemble each other.

    An opening is no likelier than its first token, so the others are read only where that one is
    likely enough.
    """
    asked = [
        [question, *(leave_words_out(question) if with_fewer_words else [])]
        for question in (prompt.messages[-1].content for prompt in prompts)
    ]
    begun = [
        (at, chat.prompt_ids((*before, last.model_copy(update={"content": text}))))
        for at, ((*before, last), texts) in enumerate(
            zip((prompt.messages for prompt in prompts), asked, strict=True)
        )
        for text in texts
    ]
    for said in (opening[:1], opening):
        told = token_log_probabilities(model, [(ids, said) for _, ids in begun], pad_id=chat.pad_id)
        begun = [one for one, gains in zip(begun, told, strict=True) if float(gains.sum()) >= least]
    refused = {at for at, _ in begun}
    return [at in refused for at in range(len(prompts))]


def leave_words_out(question: str) -> list[str]:
    """Write a question without each of its words in turn; of many words some are left in."""
    words = question.split()
    step = math.ceil(len(words) / _MOST_LEFT_OUT)
    if len(words) < 2:
        return []
    return [" ".join([*words[:at], *words[at + 1 :]]) for at in range(0, len(words), step)]
