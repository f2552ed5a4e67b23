"""How a batch of chats is laid out for a model: padded for any of them, packed for some.

Packed, what chats have in common stands there once, and nothing that no target depends on does:
neither padding nor a last token, but for some that fill a row up to one of few lengths. A model
whose attention knows who sees whom (`attention`) then computes the same numbers from fewer tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch

from ragtuned_kedro.language_models.chat import TokenizedChat
from ragtuned_kedro.language_models.shared_prefix import common_length
from ragtuned_kedro.tuning.attention import AttentionPlan, Family

# oneDNN makes kernels for every number of rows, which takes it milliseconds for each product of a
# layer, and it keeps a thousand of them, in memory of which they leave nothing whole.
_ROUND, _PARTS = 64, 4


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
    First come all stems. The model is told the positions and the `plan` of who sees whom.
    """
    plain = [chat for chat in chats if not chat.branches]
    related = [plain, *(_unfold(chat) for chat in chats if chat.branches)]
    asked = [[chat for chat in one if _targets_of(chat)] for one in related]
    # What a sequence holds from its last target on is seen by nothing that is asked for.
    read = [[chat.ids[: _targets_of(chat)[-1]] for chat in one] for one in asked if one]
    ids: list[int] = []
    positions: list[int] = []

    def append(sequence: Sequence[int], first: int, last: int) -> range:
        ids.extend(sequence[first:last])
        positions.extend(range(first, last))
        return range(len(ids) - (last - first), len(ids))

    stems = [append(one[0], 0, common_length(one)) for one in read]
    families = [
        Family(stem, tuple(append(each, len(stem), len(each)) for each in one))
        for stem, one in zip(stems, read, strict=True)
    ]
    followed = [
        ([*family.stem, *branch][at - 1], chat.ids[at])
        for family, one in zip(families, filter(None, asked), strict=True)
        for branch, chat in zip(family.branches, one, strict=True)
        for at in _targets_of(chat)
    ]
    # What nobody asks for ends a row, so that its length is one that was there before; in parts, so
    # that attention gets no wider by it, and always as many, so that their number is the same.
    n_filling = _PARTS + -(len(ids) + _PARTS) % _ROUND
    lengths = [(n_filling + at) // _PARTS for at in range(_PARTS)]
    families.append(Family(range(0), tuple(append([0] * n, 0, n) for n in lengths)))
    known = {
        "position_ids": torch.tensor([positions], device=device),
        "plan": AttentionPlan(families, len(ids)),
    }
    return _layout([ids], followed, device, known)


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
