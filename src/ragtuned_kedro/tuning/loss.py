"""Cross entropy of the answers' tokens, with the output head applied to nothing else."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from ragtuned_kedro.language_models.chat import TokenizedChat

# Targets whose logits are in memory at once.
_PORTION = 128


def pad_right(
    chats: Sequence[TokenizedChat], *, pad_id: int, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack chats into ids (batch, seq) and is_target (batch, seq), both padded on the right."""
    width = max(len(chat.ids) for chat in chats)
    ids = [list(chat.ids) + [pad_id] * (width - len(chat.ids)) for chat in chats]
    targets = [list(chat.is_target) + [False] * (width - len(chat.ids)) for chat in chats]
    return (
        torch.tensor(ids, dtype=torch.long, device=device),
        torch.tensor(targets, dtype=torch.bool, device=device),
    )


def keep_branches_apart(
    chats: Sequence[TokenizedChat], *, dtype: torch.dtype, device: str
) -> dict[str, torch.Tensor]:
    """Build the mask and the positions under which branches do not see each other.

    The mask (batch, 1, seq, seq) is added to the attention scores; every branch continues the
    positions of the stem. Empty where no chat has branches, since causal attention needs neither.
    """
    if not any(chat.branches for chat in chats):
        return {}
    width = max(len(chat.ids) for chat in chats)
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


def summed_loss(
    model: Any,
    ids: torch.Tensor,
    is_target: torch.Tensor,
    *,
    among: torch.Tensor | None = None,
    **branching: torch.Tensor,
) -> torch.Tensor:
    """Sum the cross entropy, in nats, over the target tokens.

    Where every target is one of the tokens `among`, the model only has to choose among these; what
    it thinks of all the others is left as it was.

    Without branches (`keep_branches_apart`) no attention mask is passed: under causal attention no
    real token sees what stands to the right of it, and padding stands nowhere else. The output head
    is applied only to the positions that predict a target, which saves a small model a tenth of its
    work.
    """
    predicts = is_target[:, 1:]
    targets = ids[:, 1:][predicts]
    if among is not None:
        targets = (targets[:, None] == among).int().argmax(-1)
    if _has_plain_head(model):
        hidden = model.base_model(input_ids=ids, use_cache=False, **branching).last_hidden_state
        weight = model.get_output_embeddings().weight
        if among is not None:
            weight = weight[among]
        summed: torch.Tensor = _HeadLoss.apply(hidden[:, :-1][predicts], weight, targets)
        return summed
    logits = model(input_ids=ids, use_cache=False, **branching).logits[:, :-1][predicts]
    if among is not None:
        logits = logits[:, among]
    return cross_entropy(logits.float(), targets, reduction="sum")


class _HeadLoss(torch.autograd.Function):
    """Summed cross entropy behind a frozen head.

    hidden (n, d), weight (vocabulary, d), targets (n).

    A vocabulary is fifty times as wide as a small model, so the logits of all targets at once
    would be the largest thing in memory. They are made and used up in portions, the gradient with
    them, as in Liger Kernel's fused linear cross entropy (Hsu et al., arXiv 2410.10989).
    """

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, targets: Any) -> torch.Tensor:
        total = hidden.new_zeros((), dtype=torch.float32)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(targets), _PORTION):
            part = slice(start, start + _PORTION)
            logits = (hidden[part] @ weight.t()).float()
            evidence = logits.logsumexp(-1, keepdim=True)
            chosen = targets[part, None]
            total += (evidence - logits.gather(1, chosen)).sum()
            if gradient is not None:
                shares = logits.sub_(evidence).exp_()
                shares.scatter_add_(1, chosen, -torch.ones_like(evidence))
                gradient[part] = shares.to(hidden.dtype) @ weight
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0], None, None


def _has_plain_head(model: Any) -> bool:
    """Tell whether logits are a frozen weight's product with what the layers give, and no more."""
    config = model.config.get_text_config()
    changes = ("final_logit_softcapping", "logits_scaling", "logit_scale")
    head = model.get_output_embeddings()
    return (
        all(getattr(config, name, None) is None for name in changes)
        and type(head) is torch.nn.Linear
        and head.bias is None
        and not head.weight.requires_grad
    )
