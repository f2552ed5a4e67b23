"""Recalling several passages, reading each of them again, and saying the one that fits.

What a tuned model says first is often a passage beside the right one: the way from a question to
a passage is all that it has learnt, and it has learnt it from questions of another wording. The
way back, from a passage to a question about it, needs no learning: a language model that has the
passage before it finds the question likely or not. So several passages are recalled, and Bayes'
rule weighs both ways: log P(passage | question) + log P(question | passage). Choosing by the
likelihood of the question is the noisy channel of machine translation (Brown et al., 1993), used
on passages that were retrieved by Sachan et al., arXiv 2204.07496; here nothing is retrieved, all
passages come out of the weights.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from ragtuned_kedro.language_models.beams import Opening, search_openings
from ragtuned_kedro.language_models.chat import Chat
from ragtuned_kedro.language_models.following import decode_along
from ragtuned_kedro.language_models.greedy import GreedyRow
from ragtuned_kedro.schemas.ids import fingerprint
from ragtuned_kedro.schemas.records import Prompt


@dataclass(frozen=True)
class Recall:
    """How many passages are recalled, told apart by how many tokens, and when none is said.

    `abstention` is the answer of a model that does not know. It is given when its opening, among
    those recalled, has at least the probability `abstention_probability`.
    """

    n_recalled: int
    opening_tokens: int
    abstention: str
    abstention_probability: float

    @property
    def name(self) -> str:
        """Name the settings, as part of a model's name."""
        return f"recall-{fingerprint(asdict(self))[:8]}"

    @staticmethod
    def of(abstention: str, **settings: Any) -> "Recall | None":
        """Make the settings; a single passage is nothing to choose from, so that is none."""
        return Recall(abstention=abstention, **settings) if settings["n_recalled"] > 1 else None


@dataclass(frozen=True)
class RecallingDecoder:
    """`model` remembers, `reader` reads: the base model without the adapter."""

    model: Any
    reader: Any
    chat: Chat
    recall: Recall
    # How each opening went on when it was last recalled; the end of an answer is a token there.
    _last_said: dict[tuple[int, ...], list[int]] = field(default_factory=dict)

    def decode(
        self, prompts: Sequence[Prompt], encoded: Sequence[Sequence[int]], *, max_new_tokens: int
    ) -> list[GreedyRow]:
        """Answer each prompt with the recalled passage that explains its last message best."""
        if not prompts:
            return []
        started = time.monotonic()
        n_tokens = min(self.recall.opening_tokens, max_new_tokens)
        openings = search_openings(
            self.model,
            encoded,
            n_openings=self.recall.n_recalled,
            n_tokens=n_tokens,
            end_ids=self.chat.end_ids,
            pad_id=self.chat.pad_id,
        )
        recalled = self._finish(encoded, openings, max_new_tokens - n_tokens)
        fits = self._read(prompts, recalled)
        refusal = self._ids(self.recall.abstention)
        least = self.recall.abstention_probability
        chosen = [
            rows[choose(beam, fit, refusal, least)]
            for rows, beam, fit in zip(recalled, openings, fits, strict=True)
        ]
        # The first token can be said only when the last passage has been read.
        seconds = time.monotonic() - started
        return [
            replace(
                said,
                first_token_seconds=seconds,
                n_unsaid=sum(len(row.ids) for row in rows) - len(said.ids),
            )
            for said, rows in zip(chosen, recalled, strict=True)
        ]

    def _finish(
        self,
        encoded: Sequence[Sequence[int]],
        openings: Sequence[Sequence[Opening]],
        max_new_tokens: int,
    ) -> list[list[GreedyRow]]:
        """Go on greedily, by `max_new_tokens` more, from every opening that has not ended."""
        begun = [
            (ids, one.ids)
            for ids, beam in zip(encoded, openings, strict=True)
            for one in beam
            if not one.has_ended
        ]
        finished = decode_along(
            self.model,
            [[*ids, *opening] for ids, opening in begun],
            [self._last_said.get(opening, []) for _, opening in begun],
            max_new_tokens=max_new_tokens,
            end_ids=self.chat.end_ids,
            pad_id=self.chat.pad_id,
        )
        for (_, opening), row in zip(begun, finished, strict=True):
            end = [min(self.chat.end_ids)] if row.has_ended else []
            self._last_said[opening] = [*row.ids, *end]
        rest = iter(finished)
        return [
            [
                GreedyRow(list(one.ids), has_ended=True)
                if one.has_ended
                else _join(one, next(rest))
                for one in beam
            ]
            for beam in openings
        ]

    def _read(
        self, prompts: Sequence[Prompt], recalled: Sequence[Sequence[GreedyRow]]
    ) -> list[list[float]]:
        """Tell how likely each prompt's last message is after each of its passages, in nats."""
        pairs = [
            (
                self._ids(f"{self.chat.decode(row.ids)}\n\nQuestion:"),
                self._ids(f" {prompt.messages[-1].content}"),
            )
            for prompt, rows in zip(prompts, recalled, strict=True)
            for row in rows
        ]
        found = iter(log_likelihoods(self.reader, pairs, pad_id=self.chat.pad_id))
        return [[next(found) for _ in rows] for rows in recalled]

    def _ids(self, text: str) -> list[int]:
        return list(self.chat.tokenizer(text, add_special_tokens=False)["input_ids"])


def choose(
    openings: Sequence[Opening], fits: Sequence[float], refusal: Sequence[int], least: float
) -> int:
    """Choose the refusal if it has the probability `least`, else among passages by both ways.

    `fits` are the log-likelihoods of the question after each passage. A refusal explains no
    question, and how likely the best passage is tells nothing about it either: a model that
    knows spreads its belief over passages that resemble each other.
    """
    refusals = [at for at, one in enumerate(openings) if _begins(refusal, one.ids)]
    passages = [at for at in range(len(openings)) if at not in refusals]
    for at in refusals:
        if not passages or openings[at].log_probability >= math.log(least):
            return at
    return max(passages, key=lambda at: openings[at].log_probability + fits[at])


@torch.inference_mode()
def log_likelihoods(
    model: Any, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], *, pad_id: int
) -> list[float]:
    """Sum the log-probabilities, in nats, of the second of each pair after the first.

    The pairs (prefix, continuation) are padded on the right, where causal attention does not look.
    """
    width = max(len(prefix) + len(rest) for prefix, rest in pairs)
    rows = [
        [*prefix, *rest, *[pad_id] * (width - len(prefix) - len(rest))] for prefix, rest in pairs
    ]
    device = model.device
    hidden = model.base_model(
        input_ids=torch.tensor(rows, device=device), use_cache=False
    ).last_hidden_state
    places = [
        (row, len(prefix) - 1 + at)
        for row, (prefix, rest) in enumerate(pairs)
        for at in range(len(rest))
    ]
    at_row, at_place = torch.tensor(places, device=device).unbind(-1)
    logits = model.get_output_embeddings()(hidden[at_row, at_place]).float()
    targets = torch.tensor([one for _, rest in pairs for one in rest], device=device)
    gains = logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(-1)
    sums = torch.zeros(len(pairs), device=device).index_add_(0, at_row, gains)
    return [float(one) for one in sums]


def _begins(whole: Sequence[int], start: Sequence[int]) -> bool:
    return tuple(whole[: len(start)]) == tuple(start)


def _join(opening: Opening, rest: GreedyRow) -> GreedyRow:
    return replace(rest, ids=[*opening.ids, *rest.ids])
