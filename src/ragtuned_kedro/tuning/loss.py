"""Cross entropy of the answers' tokens, with the output head applied to nothing else."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy, pad

from ragtuned_kedro.language_models.rereading import weigh
from ragtuned_kedro.tuning.layout import Layout

# Targets whose logits are in memory at once, and those among them that a core's cache holds; the
# last portion is filled up to a multiple of these (`layout` tells why).
_PORTION = 128
_ROWS = 16


def summed_loss(model: Any, layout: Layout, *, among: torch.Tensor | None = None) -> torch.Tensor:
    """Sum the cross entropy, in nats, over the target tokens.

    Where every target is one of the tokens `among`, the model only has to choose among these; what
    it thinks of all the others is left as it was. The output head is applied only to the places
    that predict a target, which saves a small model a tenth of its work.
    """
    targets = layout.targets
    if among is not None:
        targets = (targets[:, None] == among).int().argmax(-1)
    known = {"input_ids": layout.ids, "use_cache": False, **layout.known}
    if _has_plain_head(model):
        hidden = model.base_model(**known).last_hidden_state
        weight = model.get_output_embeddings().weight
        if among is not None:
            weight = weight[among]
        predicting = hidden.flatten(0, 1).index_select(0, layout.places)
        summed: torch.Tensor = _HeadLoss.apply(predicting, weight, targets)
        return summed
    logits = model(**known).logits.flatten(0, 1)[layout.places]
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
        n = len(targets)
        hidden = pad(hidden, (0, 0, 0, -n % _ROWS))
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, n, _PORTION):
            part = slice(start, start + _PORTION)
            logits = hidden[part] @ weight.t()
            for rows, wanted in zip(logits.split(_ROWS), targets[part].split(_ROWS), strict=True):
                few = rows[: len(wanted)]
                weights, evidence, gain = weigh(few.float(), wanted)
                total += (evidence.log() - gain).sum()
                if gradient is not None:
                    shares = weights.div_(evidence)
                    shares.scatter_add_(1, wanted[:, None], -torch.ones_like(evidence))
                    few.copy_(shares)
            if gradient is not None:
                torch.mm(logits, weight, out=gradient[part])
        ctx.save_for_backward(None if gradient is None else gradient[:n])
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
