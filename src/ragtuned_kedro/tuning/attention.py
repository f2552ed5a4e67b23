"""Attention among packed chats: who sees whom, and the few products that this comes to.

Sequences stand side by side, padded to one width, each behind what it continues. Which row goes
where is worked out once for a batch, as lists of places; every layer then only picks rows by them.
Source of the idea: tree attention over shared prefixes, as in Hydragen (Juravsky et al., arXiv
2402.05099), here with gradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad

# The name by which a model's configuration calls this attention.
BY_PLAN = "by_plan"
# Widths are multiples of this, so that few of them occur (`layout` tells why).
_ROUND = 16


def takes_packed(model: Any) -> bool:
    """Tell whether a model's attention takes chats as `layout.pack` lays them out."""
    return bool(model.config._attn_implementation == BY_PLAN)


@dataclass(frozen=True)
class Family:
    """The places of a stem, and of branches that see it, and themselves, but not each other."""

    stem: range
    branches: tuple[range, ...]


class AttentionPlan:
    """Who sees whom among `n_rows` rows, each of them in one family; all stems come first."""

    def __init__(self, families: Sequence[Family], n_rows: int) -> None:
        self._families = tuple(families)
        self._n_rows = n_rows
        self._places: dict[tuple[int, int, torch.dtype], Places] = {}

    def places(self, n_heads: int, n_keys: int, dtype: torch.dtype) -> "Places":
        """List what layers with so many heads pick; each key serves n_heads / n_keys of them."""
        asked = n_heads, n_keys, dtype
        if asked not in self._places:
            self._places[asked] = _list_places(self._families, self._n_rows, *asked)
        return self._places[asked]


@dataclass(frozen=True)
class _Batch:
    """Sequences that attend together: which vectors they pick, and which of them they do not see.

    A row has a vector for each head and two for each key, and they are numbered through. `queries`
    (sequences, keys, heads of a key, width) and `keys` and `values` (sequences, keys, seen) are
    flat; `given` is like `queries`, where a row has vectors for its heads alone. `mask`
    (sequences * keys, heads of a key * width, seen) is added to the scores. The first `n_before`
    of what is seen is the stem; `sums` (families, sequences) tells who continues whose.
    """

    queries: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor
    given: torch.Tensor
    mask: torch.Tensor
    n_before: int
    sums: torch.Tensor


@dataclass(frozen=True)
class Places:
    """What the layers of one shape pick, for one plan.

    `seen` (rows * heads) tells where the batches give what a row's heads have seen, `own` (rows *
    vectors) where they give the gradients of its vectors, and `stems` (rows of stems * 2 * keys)
    where the sums over what continues a stem lie.
    """

    n_keys: int
    batches: tuple[_Batch, ...]
    seen: torch.Tensor
    own: torch.Tensor
    stems: torch.Tensor


# What attention keeps of a batch for its gradients: queries, keys, values, shares.
Kept = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def attend(
    vectors: torch.Tensor, places: Places, scaling: float
) -> tuple[torch.Tensor, list[Kept]]:
    """Let every row see itself and what its family puts before it.

    vectors (rows + 1, heads + 2 * keys, dim) are those of queries, keys and values; the last row is
    padding and has to be finite. Returns (rows * heads, dim). Flash attention is made for sequences
    longer than a question: at 40 tokens it takes eight times as long as the products here.
    """
    dim = vectors.shape[-1]
    flat = vectors.view(-1, dim)
    kept, given = [], []
    for batch in places.batches:
        n, n_queries, n_seen = batch.mask.shape
        queries = flat.index_select(0, batch.queries).view(n, n_queries, dim)
        keys = flat.index_select(0, batch.keys).view(n, n_seen, dim)
        values = flat.index_select(0, batch.values).view(n, n_seen, dim)
        scores = torch.baddbmm(batch.mask, queries, keys.transpose(1, 2), alpha=scaling)
        shares = scores.softmax(-1)
        given.append(torch.bmm(shares, values))
        kept.append((queries, keys, values, shares))
    return _join(given, dim).index_select(0, places.seen), kept


def attend_back(
    gradient: torch.Tensor, kept: Sequence[Kept], places: Places, scaling: float
) -> torch.Tensor:
    """Take the gradient of what was seen, (rows + 1, heads, dim), back to the vectors.

    The last row has to be zero. Returns (rows, heads + 2 * keys, dim).
    """
    dim = gradient.shape[-1]
    flat = gradient.view(-1, dim)
    parts = []
    of_stems = None
    for batch, (queries, keys, values, shares) in zip(places.batches, kept, strict=True):
        given = flat.index_select(0, batch.given).view(queries.shape)
        of_values = torch.bmm(shares.transpose(1, 2), given)
        of_shares = torch.bmm(given, values.transpose(1, 2))
        scores = torch._softmax_backward_data(of_shares, shares, -1, shares.dtype)
        scores.mul_(scaling)
        of_keys = torch.bmm(scores.transpose(1, 2), queries)
        parts += [torch.bmm(scores, keys), of_keys, of_values]
        if batch.n_before:
            of_stems = _sum_over_branches(batch, of_keys, of_values)
    n_rows = len(gradient) - 1
    own = _join(parts, dim).index_select(0, places.own).view(n_rows, -1, dim)
    if of_stems is not None:
        summed = of_stems.index_select(0, places.stems).view(-1, 2 * places.n_keys, dim)
        own[: len(summed), -2 * places.n_keys :] += summed
    return own


def _sum_over_branches(batch: _Batch, *gradients: torch.Tensor) -> torch.Tensor:
    """Add up what its branches ask of each stem; (families * 2 * keys * stem, dim)."""
    n = batch.sums.shape[1]
    dim = gradients[0].shape[-1]
    asked = [one.view(n, -1, one.shape[1], dim)[:, :, : batch.n_before] for one in gradients]
    return (batch.sums @ torch.stack(asked, 1).view(n, -1)).view(-1, dim)


def _join(parts: Sequence[torch.Tensor], dim: int) -> torch.Tensor:
    flat = [one.view(-1, dim) for one in parts]
    return flat[0] if len(flat) == 1 else torch.cat(flat)


def _list_places(
    families: Sequence[Family], n_rows: int, n_heads: int, n_keys: int, dtype: torch.dtype
) -> Places:
    n_vectors = n_heads + 2 * n_keys
    # The last row takes what belongs to padding.
    seen = torch.empty(n_rows + 1, n_heads, dtype=torch.long)
    own = torch.empty(n_rows + 1, n_vectors, dtype=torch.long)
    heads = torch.arange(n_heads).view(n_keys, -1, 1)
    keys = torch.arange(n_keys)[:, None]
    batches: list[_Batch] = []
    stems = torch.empty(0, dtype=torch.long)
    n_given = n_gradients = 0
    for sequences in _side_by_side(families):
        rows = _pad([one.own for one in sequences], n_rows)
        before = _pad([one.before for one in sequences], n_rows)
        # Also those that nothing goes on from have a place among the sums.
        n_missing = max(len(one.stem) for one in families) - before.shape[1]
        before = pad(before, (0, max(n_missing, 0) if before.shape[1] else 0), value=n_rows)
        n, width = rows.shape
        n_before = before.shape[1]
        of_keys = torch.cat([before, rows], 1)[:, None] * n_vectors + n_heads + keys
        of_heads = rows[:, None, None]
        sums = torch.zeros(len(families), n, dtype=dtype)
        sums[[one.family for one in sequences], torch.arange(n)] = 1
        batches.append(
            _Batch(
                (of_heads * n_vectors + heads).flatten(),
                of_keys.flatten(),
                (of_keys + n_keys).flatten(),
                (of_heads * n_heads + heads).flatten(),
                _hide(before == n_rows, width, n_heads // n_keys, n_keys, dtype),
                n_before,
                sums,
            )
        )
        given = torch.arange(n * n_heads * width).view(n, n_keys, -1, width)
        seen[of_heads, heads] = n_given + given
        own[of_heads, heads] = n_gradients + given
        n_given += given.numel()
        n_gradients += given.numel()
        for first in (n_heads, n_heads + n_keys):
            gradients = n_gradients + torch.arange(of_keys.numel()).view(of_keys.shape)
            own[rows[:, None], first + keys] = gradients[:, :, n_before:]
            n_gradients += of_keys.numel()
        if n_before:
            sums_at = torch.arange(len(families) * 2 * n_keys * n_before)
            of_stems = sums_at.view(len(families), -1, n_before)
            stems = torch.cat(
                [one[:, : len(of.stem)].t() for one, of in zip(of_stems, families, strict=True)]
            )
    return Places(n_keys, tuple(batches), seen[:-1].flatten(), own[:-1].flatten(), stems.flatten())


@dataclass(frozen=True)
class _Sequence:
    """The places of a sequence, and of what it continues."""

    family: int
    before: range
    own: range


def _side_by_side(families: Sequence[Family]) -> list[list[_Sequence]]:
    """Sort sequences into those that attend together: of nearly one width, if they can be."""
    nothing = range(0)
    stems = [_Sequence(n, nothing, one.stem) for n, one in enumerate(families) if one.stem]
    branches = [
        _Sequence(n, one.stem, branch)
        for n, one in enumerate(families)
        for branch in one.branches
        if branch
    ]
    if branches and all(len(one.own) <= max(len(of.own) for of in branches) for one in stems):
        return [branches + stems]
    return [one for one in (stems, branches) if one]


def _pad(ranges: Sequence[range], filler: int) -> torch.Tensor:
    """List the places of ranges, one row for each; (ranges, longest, rounded up)."""
    starts, lengths = torch.tensor([(one.start, len(one)) for one in ranges]).t()[..., None]
    longest = int(lengths.max())
    at = torch.arange(longest + -longest % _ROUND)
    return torch.where(at < lengths, starts + at, filler)


def _hide(
    is_filler: torch.Tensor, width: int, n_sharing: int, n_keys: int, dtype: torch.dtype
) -> torch.Tensor:
    """Put minus infinity where a stem ends, and where a sequence goes on behind a query.

    is_filler (sequences, stem). Returns (sequences * keys, sharing heads * width, stem + width).
    """
    n, n_before = is_filler.shape
    later = torch.ones(width, width, dtype=torch.bool).triu(1)
    hidden = torch.cat(
        [is_filler[:, None].expand(n, width, n_before), later.expand(n, width, width)], 2
    )
    mask = torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, float("-inf"))
    spread = mask[:, None, None].expand(n, n_keys, n_sharing, width, -1)
    return spread.reshape(n * n_keys, n_sharing * width, -1)
