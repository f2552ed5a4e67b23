"""Recalling several passages, reading each of them again, and saying the sentences that fit.

What a tuned model says first is often a passage beside the right one: the way from a question to
a passage is all that it has learnt, and it has learnt it from questions of another wording. The
way back, from a passage to a question about it, needs no learning: a language model that has the
passage before it finds the question likely or not. So several passages are recalled, and Bayes'
rule weighs both ways: w log P(passage | question) + log P(question | passage), where a weight w
below 1 allows for a memory that is too sure of itself when questions are put in other words.
Choosing by the likelihood of the question is the noisy channel of machine translation (Brown et
al., 1993), used on passages that were retrieved by Sachan et al., arXiv 2204.07496; here nothing is
retrieved, all passages come out of the weights. The right passage is often the second or third, so
that the best sentences of several say more in as many tokens than one passage does.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from ragtuned_kedro.language_models.asked_names import knows_names
from ragtuned_kedro.language_models.beams import Opening, search_openings
from ragtuned_kedro.language_models.chat import Chat
from ragtuned_kedro.language_models.greedy import GreedyRow
from ragtuned_kedro.language_models.openings import OpeningTree
from ragtuned_kedro.language_models.readers import Reader
from ragtuned_kedro.language_models.reciting import Begun, Recited, Reciter
from ragtuned_kedro.language_models.refusing import find_refused
from ragtuned_kedro.language_models.rereading import (
    Found,
    Recalled,
    find_sentences,
    say_best,
    split_sentences,
)
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.ids import fingerprint
from ragtuned_kedro.schemas.records import Message, Prompt

# Goes into the name under which answers are kept: another way of answering, another number.
_VERSION = 2


@dataclass(frozen=True)
class Recall:
    """How many passages are recalled, told apart by how many tokens, and when none is said.

    Each is recited once for all questions (`reciting.Reciter`), in up to `n_variants` ways where a
    second token is at least as probable as `fork_probability`. With `keeps_to_taught_openings`
    nothing is recalled that begins as no answer in training did. All passages are read, and of the
    `n_read` best the sentences, too; how likely each is to be recalled counts with `opening_weight`
    beside what the reader finds, and with `told_weight` (of a sentence alone:
    `sentence_told_weight`) what a taught reader thinks of it. `abstention` is the answer of a model
    that does not know. It is given when its opening has at least the probability
    `abstention_probability`, with `asks_with_fewer_words` also where it has that after the question
    without one of its words, and with `refuses_unknown_names` where a name of the question stands
    in nothing that is recalled.
    """

    n_recalled: int
    opening_tokens: int
    keeps_to_taught_openings: bool
    n_variants: int
    fork_probability: float
    n_read: int
    opening_weight: float
    told_weight: float
    sentence_told_weight: float
    abstention: str
    abstention_probability: float
    asks_with_fewer_words: bool
    refuses_unknown_names: bool

    @property
    def name(self) -> str:
        """Name the settings, as part of a model's name."""
        return f"recall-{fingerprint([_VERSION, asdict(self)])[:8]}"

    @staticmethod
    def of(abstention: str, **settings: Any) -> "Recall | None":
        """Make the settings; a single passage is nothing to choose from, so that is none.

        Raises:
            UserError: If one is missing or unknown, as in a model that another version registered.
        """
        known = {one.name for one in fields(Recall)} - {"abstention"}
        if wrong := sorted(known ^ set(settings)):
            raise UserError(
                f"the settings of recalling do not fit this version, by {', '.join(wrong)}: "
                "another version of ragtuned-kedro wrote them; tune and register the model again"
            )
        return Recall(abstention=abstention, **settings) if settings["n_recalled"] > 1 else None


@dataclass(frozen=True)
class RecallingDecoder:
    """`model` remembers, `reader` reads: the base model, taught to read or as it is.

    With a `tree` every recalled passage has one of its openings. What `model` was heard to recite
    is in `recited`.
    """

    model: Any
    reader: Reader
    chat: Chat
    recall: Recall
    tree: OpeningTree | None = None
    recited: Recited = field(default_factory=dict)

    @cached_property
    def _reciter(self) -> Reciter:
        return Reciter(
            self.model,
            self.chat,
            self.recall.n_variants,
            self.recall.fork_probability,
            self.recited,
        )

    def decode(
        self, prompts: Sequence[Prompt], encoded: Sequence[Sequence[int]], *, max_new_tokens: int
    ) -> list[GreedyRow]:
        """Answer each prompt with the recalled sentences that explain its last message best.

        What an answer cost counts with the first prompt that it was done for.
        """
        if not prompts:
            return []
        started = time.monotonic()
        n_tokens = min(self.recall.opening_tokens, max_new_tokens)
        refusal = self.chat.text_ids(self.recall.abstention)
        refused = find_refused(
            self.model,
            self.chat,
            prompts,
            refusal[:n_tokens],
            least=math.log(self.recall.abstention_probability),
            with_fewer_words=self.recall.asks_with_fewer_words,
        )
        asked = [at for at, is_refused in enumerate(refused) if not is_refused]
        found = search_openings(
            self.model,
            [encoded[at] for at in asked],
            n_openings=self.recall.n_recalled,
            n_tokens=n_tokens,
            end_ids=self.chat.end_ids,
            pad_id=self.chat.pad_id,
            tree=self.tree,
        )
        openings: list[list[Opening]] = [[] for _ in prompts]
        for at, beam in zip(asked, found, strict=True):
            openings[at] = [one for one in beam if not _begins(refusal, one.ids)]
        recalled, n_recited = self._recite(prompts, openings, max_new_tokens - n_tokens)
        passages = [
            [
                Recalled(self.chat.decode(ids), self.recall.opening_weight * one.log_probability)
                for one, variants in zip(beam, recited, strict=True)
                for ids in variants
            ]
            for beam, recited in zip(openings, recalled, strict=True)
        ]
        if self.recall.refuses_unknown_names:
            passages = [
                known if _knows_names(prompt, known) else []
                for prompt, known in zip(prompts, passages, strict=True)
            ]
        said = [
            self._say(sentences, refusal, max_new_tokens)
            for sentences in self._read(prompts, passages)
        ]
        # The first token can be said only when the last passage has been read.
        seconds = time.monotonic() - started
        return [
            replace(
                one,
                first_token_seconds=seconds,
                n_unsaid=max(0, sum(len(opening.ids) for opening in beam) + n - len(one.ids)),
            )
            for one, beam, n in zip(said, openings, n_recited, strict=True)
        ]

    def _recite(
        self,
        prompts: Sequence[Prompt],
        openings: Sequence[Sequence[Opening]],
        max_new_tokens: int,
    ) -> tuple[list[list[list[list[int]]]], list[int]]:
        """Recite every opening of every prompt; also how many tokens that took for each prompt.

        An opening that has ended is a whole answer.
        """
        begun = [
            [
                Begun(_before(prompt), one.ids, 0 if one.has_ended else max_new_tokens)
                for one in beam
            ]
            for prompt, beam in zip(prompts, openings, strict=True)
        ]
        new = set(self._reciter.missing(one for beam in begun for one in beam))
        recited = self._reciter.recite(one for beam in begun for one in beam)
        n_recited = []
        for beam in begun:
            first = new.intersection(beam)
            new -= first
            n_recited.append(
                sum(len(ids) - len(one.opening) for one in first for ids in recited[one])
            )
        return [[recited[one] for one in beam] for beam in begun], n_recited

    def _read(
        self, prompts: Sequence[Prompt], recalled: Sequence[Sequence[Recalled]]
    ) -> list[list[Found]]:
        """Score sentences of each prompt's passages by how they explain its last message.

        How well a passage explains it is half of what its sentences score, so those of all but
        the best passages need no reading.
        """
        questions = [prompt.messages[-1].content for prompt in prompts]
        around = self.reader.read(
            (question, one.text)
            for question, passages in zip(questions, recalled, strict=True)
            for one in passages
        )
        best = [
            sorted(
                (
                    replace(
                        one,
                        prior=one.prior + self.recall.told_weight * around[question, one.text].told,
                    )
                    for one in passages
                ),
                key=lambda one: -one.prior - float(around[question, one.text].fit.sum()),
            )[: self.recall.n_read]
            for question, passages in zip(questions, recalled, strict=True)
        ]
        alone = self.reader.read(
            (question, text)
            for question, passages in zip(questions, best, strict=True)
            for one in passages
            for text in split_sentences(one.text)
        )
        return [
            find_sentences(
                passages,
                [around[question, one.text] for one in passages],
                [[alone[question, text] for text in split_sentences(one.text)] for one in passages],
                sentence_told_weight=self.recall.sentence_told_weight,
            )
            for question, passages in zip(questions, best, strict=True)
        ]

    def _say(self, found: Sequence[Found], refusal: Sequence[int], room: int) -> GreedyRow:
        """Say the best sentences, or that it does not know where there is none."""
        if not found:
            return GreedyRow(list(refusal[:room]), has_ended=len(refusal) <= room)
        n_tokens = [len(self.chat.text_ids(f" {one.text}")) for one in found]
        ids = self.chat.text_ids(say_best(found, n_tokens, room))
        return GreedyRow(ids[:room], has_ended=len(ids) <= room)


def _knows_names(prompt: Prompt, recalled: Sequence[Recalled]) -> bool:
    return knows_names(prompt.messages[-1].content, (one.text for one in recalled))


def _before(prompt: Prompt) -> tuple[Message, ...]:
    return tuple(one for one in prompt.messages if one.role == "system")


def _begins(whole: Sequence[int], start: Sequence[int]) -> bool:
    return tuple(whole[: len(start)]) == tuple(start)
