"""What a tuned model says behind an opening, asked for by nothing but the opening itself.

How a passage goes on does not depend on who asks for it, so it is recited once and serves every
question that recalls it. Said after each question anew it would be most of what an answer costs.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

import torch

from ragtuned_kedro.language_models.chat import Chat
from ragtuned_kedro.language_models.token_steps import TokenSteps
from ragtuned_kedro.schemas.records import Message

# Openings that are recited together, and openings that are kept: some hundred bytes each.
_TOGETHER = 64
_MOST_KEPT = 20_000


class Begun(NamedTuple):
    """An answer that has begun: what stands before every question, mostly nothing, and the opening.

    `n_more` tokens may follow.
    """

    before: tuple[Message, ...]
    opening: tuple[int, ...]
    n_more: int


Recited: TypeAlias = dict[Begun, list[list[int]]]


@lru_cache(maxsize=2)
def recited_by(model_id: str) -> Recited:
    """Look up what a model has recited in this process, to whichever system it answered."""
    return {}


@dataclass(frozen=True)
class Reciter:
    """Recites openings with `model`, each once.

    Several passages may begin alike. So wherever a second token is at least as probable as
    `fork_probability`, the recitation goes on both ways, up to `n_variants` in all; 1 never forks.
    What was recited is in `kept`, which reciters of the same weights may share.
    """

    model: Any
    chat: Chat
    n_variants: int
    fork_probability: float
    kept: Recited = field(default_factory=dict)

    def recite(self, openings: Iterable[Begun]) -> dict[Begun, list[list[int]]]:
        """Tell the variants of each opening, each with the opening and without an end token."""
        wanted = list(dict.fromkeys(openings))
        if len(self.kept) > _MOST_KEPT:
            self.kept.clear()
        new = sorted(self.missing(wanted), key=lambda one: one.n_more)
        for n_more, alike in groupby(new, key=lambda one: one.n_more):
            missing = list(alike)
            for start in range(0, len(missing), _TOGETHER):
                part = missing[start : start + _TOGETHER]
                self.kept.update(zip(part, self._recite(part, n_more), strict=True))
        return {one: self.kept[one] for one in wanted}

    def missing(self, openings: Iterable[Begun]) -> list[Begun]:
        """List the openings that were not recited yet, each once."""
        return [one for one in dict.fromkeys(openings) if one not in self.kept]

    @torch.inference_mode()
    def _recite(self, openings: Sequence[Begun], n_more: int) -> list[list[list[int]]]:
        steps = TokenSteps(
            self.model, [self._prompt_ids(one) for one in openings], pad_id=self.chat.pad_id
        )
        variants = [[list(one.opening)] for one in openings]
        # A row is a variant that has not ended: the place of its opening, and its tokens so far.
        rows = [(at, found[0]) for at, found in enumerate(variants)]
        least = math.log(self.fork_probability)
        for _ in range(n_more):
            logits = steps.logits().float()
            best = logits.topk(2)
            chances = best.values[:, 1] - logits.logsumexp(-1)
            grown: list[tuple[int, list[int]]] = []
            parents: list[int] = []
            for row, ((at, ids), (first, second), chance) in enumerate(
                zip(rows, best.indices.tolist(), chances.tolist(), strict=True)
            ):
                branches = [(first, ids)]
                if len(variants[at]) < self.n_variants and chance >= least:
                    variants[at].append(list(ids))
                    branches.append((second, variants[at][-1]))
                for token, branch in branches:
                    if token not in self.chat.end_ids:
                        branch.append(token)
                        grown.append((at, branch))
                        parents.append(row)
            if not grown:
                break
            rows = grown
            steps.say([ids[-1] for _, ids in rows], parents)
        return variants

    def _prompt_ids(self, begun: Begun) -> list[int]:
        asked = Message(role="user", content=self.chat.decode(begun.opening))
        return [*self.chat.prompt_ids((*begun.before, asked)), *begun.opening]
