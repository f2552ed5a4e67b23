"""How well a text answers a question, as a reader finds: the base model, taught to read or not.

A reader has the text before it and finds the question likely or not. One that was taught is asked,
too, whether the text tells the answer, and says so by how much likelier "yes" is than "no". Its
questions are taught in the very tokens in which they are asked here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ragtuned_kedro.language_models.chat import Chat, TokenizedChat
from ragtuned_kedro.language_models.kept_texts import KeptTexts
from ragtuned_kedro.language_models.rereading import Reading
from ragtuned_kedro.language_models.shared_prefix import common_length

_ASKED = "\n\nQuestion:"
_TOLD = "\nTold:"
_ANSWERS = " yes", " no"


@dataclass(frozen=True)
class Reader:
    """A model that reads; one that was not taught has no opinion whether a text tells."""

    model: Any
    chat: Chat
    is_taught: bool = False

    @cached_property
    def _texts(self) -> KeptTexts:
        return KeptTexts(self.model, self.chat.pad_id)

    def read(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Reading]:
        """Read each (question, text), one that comes twice only once, and a text once for all."""
        wanted = list(dict.fromkeys(pairs))
        before = self.chat.text_ids(_ASKED)
        asked = [self.chat.text_ids(f" {question}") for question, _ in wanted]
        between, answers = _told_ids(self.chat) if self.is_taught else ([], ())
        told = self._texts.log_probabilities(
            [
                ([*self.chat.text_ids(text), *before], ids)
                for (_, text), ids in zip(wanted, asked, strict=True)
            ],
            between=between,
            then=answers,
        )
        return {
            pair: Reading(one[: len(ids)], float(one[-2] - one[-1]) if self.is_taught else 0.0)
            for pair, ids, one in zip(wanted, asked, told, strict=True)
        }


def answer_ids(chat: Chat) -> tuple[int, ...]:
    """Name the tokens by which yes and no differ, in this order."""
    return _told_ids(chat)[1]


def lesson_ids(chat: Chat, passage: str, asked: Sequence[tuple[str, bool]]) -> TokenizedChat:
    """Encode a passage and the questions asked of it, each hidden from the others.

    `asked` holds (question, whether the passage tells the answer); yes or no are the targets.
    """
    rest, (yes, no) = _told_ids(chat)
    start = chat.text_ids(_ASKED)
    ids = chat.text_ids(passage)
    is_target = [False] * len(ids)
    branches = []
    for question, is_told in asked:
        branches.append(len(ids))
        before = [*start, *chat.text_ids(f" {question}"), *rest]
        ids += [*before, yes if is_told else no]
        is_target += [False] * len(before) + [True]
    return TokenizedChat(tuple(ids), tuple(is_target), tuple(branches))


def _told_ids(chat: Chat) -> tuple[list[int], tuple[int, ...]]:
    """Encode what follows a question, up to the token by which yes and no differ, and those two."""
    yes, no = (chat.text_ids(answer) for answer in _ANSWERS)
    n_shared = common_length([yes, no])
    return [*chat.text_ids(_TOLD), *yes[:n_shared]], (yes[n_shared], no[n_shared])
