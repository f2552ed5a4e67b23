"""Which sentences of several recalled passages answer a question, as a model reads them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rapidfuzz import fuzz

# A sentence ends with a mark, perhaps within quotation marks, and another one begins behind it.
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'\u201d\u2019)]*\s+(?=[\"'\u201c\u2018(]*[A-Z0-9])")
# From this token-set similarity on, in percent, a sentence says what another one has said.
_SAME = 90.0
# Pairs that are read together, rows of logits that are in memory at once, and those among them that
# a core's cache holds.
_PORTION = 32
_LOGITS = 128
_ROWS = 16


@dataclass(frozen=True)
class Recalled:
    """A passage that came to mind; `prior`, in nats, is what it scores before it is read."""

    text: str
    prior: float


@dataclass(frozen=True)
class Reading:
    """What a reader finds in a text about a question.

    `fit` are the log-probabilities of the question's tokens after the text, `told` the log-odds
    that the text tells the answer, 0 where the reader has no opinion; both in nats.
    """

    fit: torch.Tensor
    told: float


@dataclass(frozen=True)
class Found:
    """A sentence, the places of its passage and of itself, and how well it answers, in nats."""

    text: str
    passage: int
    place: int
    score: float


def split_sentences(text: str) -> list[str]:
    """Cut a text where a sentence ends; the parts joined by blanks are the text."""
    parts, start = [], 0
    for end in _SENTENCE_END.finditer(text):
        cut = end.start() + len(end.group().rstrip())
        parts.append(text[start:cut])
        start = end.end()
    return [part for part in (*parts, text[start:]) if part.strip()]


def find_sentences(
    passages: Sequence[Recalled],
    of_passages: Sequence[Reading],
    of_sentences: Sequence[Sequence[Reading]],
    *,
    sentence_told_weight: float,
) -> list[Found]:
    """Score every sentence of the passages, best first; one said by two of them is found once.

    The readings are of a passage, and of a sentence alone. Each word of the question may be
    explained by the sentence or by what stands around it, so its probability is the mean of both.
    By Bayes' rule the score is then the passage's prior + log P(question | sentence in its
    passage), and `sentence_told_weight` times what the reader thinks of the sentence.
    """
    found = [
        Found(
            text,
            at,
            place,
            passage.prior + _mixed(alone.fit, around.fit) + sentence_told_weight * alone.told,
        )
        for at, (passage, around, readings) in enumerate(
            zip(passages, of_passages, of_sentences, strict=True)
        )
        for place, (text, alone) in enumerate(
            zip(split_sentences(passage.text), readings, strict=True)
        )
    ]
    best: dict[str, Found] = {}
    for one in sorted(found, key=lambda one: -one.score):
        best.setdefault(one.text, one)
    return list(best.values())


def _mixed(fit: torch.Tensor, around: torch.Tensor) -> float:
    return float((0.5 * (fit.exp() + around.exp())).log().sum())


def say_best(found: Iterable[Found], n_tokens: Sequence[int], room: int) -> str:
    """Say the best sentences that fit into `room` tokens, and nothing twice.

    `n_tokens` counts those of each sentence; the best one is said in any case. Sentences of one
    passage keep its order, and the passage of the best sentence comes first.
    """
    said: list[Found] = []
    for one, n in zip(found, n_tokens, strict=True):
        if said and (n > room or any(_is_same(one.text, other.text) for other in said)):
            continue
        said.append(one)
        room -= n
    passages = list(dict.fromkeys(one.passage for one in said))
    said.sort(key=lambda one: (passages.index(one.passage), one.place))
    return " ".join(one.text for one in said)


def _is_same(text: str, other: str) -> bool:
    return fuzz.token_set_ratio(text, other) >= _SAME


@torch.inference_mode()
def token_log_probabilities(
    model: Any,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    pad_id: int,
) -> list[torch.Tensor]:
    """Tell, in nats, how likely each token of the second of each pair is after those before it.

    The pairs (prefix, continuation) are read a portion at a time, the short ones first.
    """
    order = sorted(range(len(pairs)), key=lambda at: sum(map(len, pairs[at])))
    told: dict[int, torch.Tensor] = {}
    for start in range(0, len(order), _PORTION):
        portion = order[start : start + _PORTION]
        read = _read_portion(model, [pairs[at] for at in portion], pad_id)
        told |= dict(zip(portion, read, strict=True))
    return [told[at] for at in range(len(pairs))]


def _read_portion(
    model: Any,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    pad_id: int,
) -> list[torch.Tensor]:
    # Padding stands on the right, where causal attention does not look; nothing is asked for behind
    # a last token.
    read = [[*prefix, *rest[:-1]] for prefix, rest in pairs]
    width = max(map(len, read))
    rows = [[*ids, *[pad_id] * (width - len(ids))] for ids in read]
    device = model.device
    hidden = model.base_model(
        input_ids=torch.tensor(rows, device=device), use_cache=False
    ).last_hidden_state
    return read_off(model, hidden, [(len(prefix) - 1, rest) for prefix, rest in pairs])


def read_off(
    model: Any,
    hidden: torch.Tensor,
    rows: Sequence[tuple[int, Sequence[int]]],
    then: Sequence[int] = (),
    *,
    n_between: int = 0,
) -> list[torch.Tensor]:
    """Read off what a model has found likely: of each row its continuation, and `then` next.

    hidden (rows, seq, width); of each row the place that predicts the first token of its
    continuation, behind which stand `n_between` tokens that nobody asks for. The output head is
    applied to nothing else.
    """
    places = [
        (row, start + at)
        for row, (start, rest) in enumerate(rows)
        for at in (*range(len(rest)), *[len(rest) + n_between] * len(then))
    ]
    at_row, at_place = torch.tensor(places, device=hidden.device).unbind(-1)
    targets = torch.tensor(
        [one for _, rest in rows for one in (*rest, *then)], device=hidden.device
    )
    head = model.get_output_embeddings()
    gains = []
    for part, of_part in zip(
        hidden[at_row, at_place].split(_LOGITS), targets.split(_LOGITS), strict=True
    ):
        for few, wanted in zip(head(part).split(_ROWS), of_part.split(_ROWS), strict=True):
            _, total, gain = weigh(few.float(), wanted)
            gains.append((gain - total.log())[:, 0])
    return list(torch.cat(gains).cpu().split([len(rest) + len(then) for _, rest in rows]))


def weigh(
    logits: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Turn logits (rows, vocabulary) in place into weights, exp(logit - largest of its row).

    Also their sums, and what the logits of the targets (rows) are above the largest, both
    (rows, 1); log P(target) is this less the logarithm of the sum.
    """
    logits -= logits.amax(-1, keepdim=True)
    wanted = logits.gather(1, targets[:, None])
    weights = logits.exp_()
    return weights, weights.sum(-1, keepdim=True), wanted
