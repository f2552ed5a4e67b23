"""Greedy decoding along a draft: what was said before is read at once, not said word by word.

A draft that the model would say itself is confirmed in one pass over all of its tokens, which costs
a fraction of as many steps (speculative decoding, Leviathan et al., arXiv 2211.17192, with the
draft copied from an earlier answer). Where it differs, decoding goes on from there; the answer is
that of greedy decoding either way.
"""

from collections.abc import Sequence
from typing import Any

import torch

from ragtuned_kedro.language_models.greedy import GreedyRow, decode_greedily


@torch.inference_mode()
def decode_along(
    model: Any,
    prompts: Sequence[Sequence[int]],
    drafts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    end_ids: frozenset[int],
    pad_id: int,
) -> list[GreedyRow]:
    """Continue every prompt greedily, like `decode_greedily`; an empty draft is no draft.

    A draft may end with an end token.
    """
    cut = [list(draft)[:max_new_tokens] for draft in drafts]
    rows = [GreedyRow() for _ in prompts]
    drafted = [at for at, draft in enumerate(cut) if draft]
    said = _say_again(model, [prompts[at] for at in drafted], [cut[at] for at in drafted], pad_id)
    for at, tokens in zip(drafted, said, strict=True):
        _accept(rows[at], cut[at], tokens, end_ids)
    is_open = [not row.has_ended and len(row.ids) < max_new_tokens for row in rows]
    open_rows = [at for at, one in enumerate(is_open) if one]
    rest = decode_greedily(
        model,
        [[*prompts[at], *rows[at].ids] for at in open_rows],
        max_new_tokens=max((max_new_tokens - len(rows[at].ids) for at in open_rows), default=0),
        end_ids=end_ids,
        pad_id=pad_id,
    )
    for at, more in zip(open_rows, rest, strict=True):
        room = max_new_tokens - len(rows[at].ids)
        rows[at].has_ended = more.has_ended and len(more.ids) < room
        rows[at].ids += more.ids[:room]
    return rows


def _say_again(
    model: Any,
    prompts: Sequence[Sequence[int]],
    drafts: Sequence[Sequence[int]],
    pad_id: int,
) -> list[list[int]]:
    """Tell, for every token of a draft, what the model says in its place after those before it."""
    if not prompts:
        return []
    whole = [[*prompt, *draft[:-1]] for prompt, draft in zip(prompts, drafts, strict=True)]
    width = max(len(ids) for ids in whole)
    # Padding stands on the right, where causal attention does not look.
    ids = torch.tensor([[*one, *[pad_id] * (width - len(one))] for one in whole])
    hidden = model.base_model(input_ids=ids.to(model.device), use_cache=False).last_hidden_state
    head = model.get_output_embeddings()
    return [
        head(hidden[row, len(prompt) - 1 : len(prompt) - 1 + len(draft)]).argmax(-1).tolist()
        for row, (prompt, draft) in enumerate(zip(prompts, drafts, strict=True))
    ]


def _accept(
    row: GreedyRow, draft: Sequence[int], said: Sequence[int], end_ids: frozenset[int]
) -> None:
    """Take what the model says while it follows the draft, and the token in which it differs."""
    for drafted, token in zip(draft, said, strict=True):
        if token in end_ids:
            row.has_ended = True
            return
        row.ids.append(token)
        if token != drafted:
            return
