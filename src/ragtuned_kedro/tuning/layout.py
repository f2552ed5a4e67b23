"""How a batch of chats is laid out for a model: padded for any of them, packed for some.

Packed, what chats have in common stands there once, and nothing that no target depends on does:
neither padding nor a last token. A model whose attention knows who sees whom (`layers`) then
computes the same numbers from fewer tokens. Source of the idea: tree attention over shared
prefixes, as in Hydragen (Juravsky et al., arXiv 2402.05099), here for training.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch

from ragtuned_kedro.language_models.chat import TokenizedChat
from ragtuned_kedro.language_models.shared_prefix import common_length


@dataclass(frozen=True)
class Layout:
    """Ids (rows, seq) and what predicts what: places in rows * seq, and the tokens that follow.

    A place may predict several tokens, each behind it in another chat. `known` is what the model is
    told besides.
    """

    ids: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    known: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Branches:
    """Sequences one behind the other, from place `start` on, each as long as `lengths` says."""

    start: int
    lengths: tuple[int, ...]

    @property
    def width(self) -> int:
        """Tell the length of the longest."""
        return max(self.lengths, default=0)

    @property
    def span(self) -> slice:
        """Tell where they stand, all together."""
        return slice(self.start, self.start + sum(self.lengths))

    @cached_property
    def longest(self) -> slice:
        """Tell where the longest stands."""
        at = self.lengths.index(self.width)
        begin = self.start + sum(self.lengths[:at])
        return slice(begin, begin + self.width)

    @cached_property
    def filled(self) -> torch.Tensor | None:
        """List the places they take side by side, (sequences, width) flat; None for all of them."""
        if min(self.lengths, default=0) == self.width:
            return None
        is_filled = torch.arange(self.width) < torch.tensor(self.lengths)[:, None]
        return is_filled.flatten().nonzero()[:, 0]


@dataclass(frozen=True)
class Family:
    """A stem, and branches that see it, and themselves, but not each other."""

    stem: Branches
    branches: Branches


def pad(chats: Sequence[TokenizedChat], *, pad_id: int, dtype: torch.dtype, device: str) -> Layout:
    """Stack chats, padded on the right, where causal attention does not look.

    Where chats have branches the model is told a mask (rows, 1, seq, seq), which is added to the
    attention scores and under which branches do not see each other, and the positions: those of
    every branch continue the stem's.
    """
    width = max(len(chat.ids) for chat in chats)
    ids = [[*chat.ids, *[pad_id] * (width - len(chat.ids))] for chat in chats]
    followed = [
        (row * width + (chat.branches[0] if at in chat.branches else at) - 1, chat.ids[at])
        for row, chat in enumerate(chats)
        for at in _targets_of(chat)
    ]
    known = {}
    if any(chat.branches for chat in chats):
        known = _keep_branches_apart(chats, width, dtype=dtype, device=device)
    return _layout(ids, followed, device, known)


def pack(chats: Sequence[TokenizedChat], *, device: str) -> Layout:
    """Lay chats one behind the other in a single row, what they have in common once.

    Branches of a chat have its stem in common, and chats without branches what they all begin with.
    The model is told the positions, and `families`, a tuple of Family that says who sees whom.
    """
    plain = [chat for chat in chats if not chat.branches]
    related = [plain, *(_unfold(chat) for chat in chats if chat.branches)]
    ids: list[int] = []
    positions: list[int] = []
    followed: list[tuple[int, int]] = []
    families = []
    for one in related:
        if sequences := [chat for chat in one if _targets_of(chat)]:
            families.append(_lay_out(sequences, ids, positions, followed))
    known = {
        "position_ids": torch.tensor([positions], device=device),
        "families": tuple(families),
    }
    return _layout([ids], followed, device, known)


def _lay_out(
    sequences: Sequence[TokenizedChat],
    ids: list[int],
    positions: list[int],
    followed: list[tuple[int, int]],
) -> Family:
    """Append sequences that begin alike to what is laid out already."""
    # What a sequence holds from its last target on is seen by nothing that is asked for.
    read = [one.ids[: _targets_of(one)[-1]] for one in sequences]
    n_shared = common_length(read)
    stem = Branches(len(ids), (n_shared,))
    ids += read[0][:n_shared]
    positions += range(n_shared)
    branches = Branches(len(ids), tuple(len(one) - n_shared for one in read))
    for one, seen in zip(sequences, read, strict=True):
        places = [*range(stem.start, branches.start), *range(len(ids), len(ids) + len(seen))]
        followed += [(places[at - 1], one.ids[at]) for at in _targets_of(one)]
        ids += seen[n_shared:]
        positions += range(n_shared, len(seen))
    return Family(stem, branches)


def _unfold(chat: TokenizedChat) -> list[TokenizedChat]:
    """Make of each branch a chat without branches; the stem's own targets stay in the first."""
    stem = slice(0, chat.branches[0])
    unfolded: list[TokenizedChat] = []
    for start, end in pairwise((*chat.branches, len(chat.ids))):
        of_stem = (False,) * start if unfolded else chat.is_target
        unfolded.append(
            TokenizedChat(
                chat.ids[stem] + chat.ids[start:end],
                of_stem[stem] + chat.is_target[start:end],
            )
        )
    return unfolded


def _targets_of(chat: TokenizedChat) -> list[int]:
    """List the places of a chat that are predicted; nothing predicts the first."""
    return [at for at, is_target in enumerate(chat.is_target) if is_target and at]


def _layout(
    ids: list[list[int]], followed: list[tuple[int, int]], device: str, known: dict[str, Any]
) -> Layout:
    pairs = torch.tensor(followed, dtype=torch.long, device=device).view(-1, 2)
    return Layout(torch.tensor(ids, device=device), pairs[:, 0], pairs[:, 1], known)


def _keep_branches_apart(
    chats: Sequence[TokenizedChat], width: int, *, dtype: torch.dtype, device: str
) -> dict[str, torch.Tensor]:
    places = torch.arange(width)
    masks, positions = [], []
    for chat in chats:
        starts = torch.tensor(chat.branches, dtype=torch.long)
        # 0 is the stem, n the n-th branch; padding belongs to the last.
        branch = torch.bucketize(places, starts, right=True)
        seen = ((branch[None] == 0) | (branch[None] == branch[:, None])).tril_()
        masks.append(torch.zeros(width, width, dtype=dtype).masked_fill_(~seen, float("-inf")))
        stem = int(starts[0]) if chat.branches else 0
        begins = torch.cat([torch.zeros(1, dtype=torch.long), starts])[branch]
        positions.append(torch.where(branch > 0, places - begins + stem, places))
    return {
        "attention_mask": torch.stack(masks)[:, None].to(device),
        "position_ids": torch.stack(positions).to(device),
    }
