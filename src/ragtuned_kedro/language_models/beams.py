"""Beam search over the first tokens of an answer: what else the model might begin to say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ragtuned_kedro.language_models.openings import OpeningTree
from ragtuned_kedro.language_models.token_steps import TokenSteps


@dataclass(frozen=True)
class Opening:
    """The first tokens of an answer and the sum of their log-probabilities, in nats.

    An opening that has ended is a whole answer; its end token is counted and not kept.
    """

    ids: tuple[int, ...]
    log_probability: float
    has_ended: bool


@torch.inference_mode()
def search_openings(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    n_openings: int,
    n_tokens: int,
    end_ids: frozenset[int],
    pad_id: int,
    tree: OpeningTree | None = None,
) -> list[list[Opening]]:
    """Find, for every prompt, its `n_openings` likeliest openings of `n_tokens`, best first.

    Each step keeps the best continuations over all of a prompt's openings, those that have ended
    among them. With a `tree` they are among its openings, fewer where it has fewer; how likely each
    of them is does not change.
    """
    if not prompts:
        return []
    beams: list[list[Opening]] = [[Opening((), 0.0, False)] for _ in prompts]
    steps = TokenSteps(model, prompts, pad_id=pad_id)
    for _ in range(n_tokens):
        beams, parents = _step(beams, steps.logits().float(), n_openings, end_ids, tree)
        if not parents:
            break
        last = [one.ids[-1] for beam in beams for one in beam if not one.has_ended]
        steps.say(last, parents)
    return beams


def _step(
    beams: Sequence[Sequence[Opening]],
    logits: torch.Tensor,
    n_openings: int,
    end_ids: frozenset[int],
    tree: OpeningTree | None,
) -> tuple[list[list[Opening]], list[int]]:
    """Grow every open beam by a token; return the best, and which row each open one grew from.

    logits (open beams, vocabulary) stand in the order of the open beams.
    """
    norms = logits.logsumexp(-1)
    rows = iter(range(len(logits)))
    grown_beams: list[list[Opening]] = []
    parents: list[int] = []
    for beam in beams:
        grown: list[tuple[Opening, int]] = []
        for one in beam:
            if one.has_ended:
                grown.append((one, -1))
                continue
            row = next(rows)
            taught = tree.next_after(one.ids) if tree else None
            tokens = logits[row].topk(n_openings).indices.tolist() if taught is None else taught
            gains = (logits[row, tokens] - norms[row]).tolist()
            grown += [
                (_grow(one, token, gain, end_ids), row)
                for token, gain in zip(tokens, gains, strict=True)
            ]
        grown.sort(key=lambda pair: -pair[0].log_probability)
        grown_beams.append([one for one, _ in grown[:n_openings]])
        parents += [row for one, row in grown[:n_openings] if not one.has_ended]
    return grown_beams, parents


def _grow(opening: Opening, token: int, gain: float, end_ids: frozenset[int]) -> Opening:
    total = opening.log_probability + gain
    if token in end_ids:
        return Opening(opening.ids, total, True)
    return Opening((*opening.ids, token), total, False)
