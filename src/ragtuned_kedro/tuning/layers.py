"""The layers of a small model, computed on a CPU in fewer passes over memory.

Matrices this small are multiplied so fast (on a core with AMX, at a trillion operations a second)
that a training step spends most of its time between the products. What stands here gives the
numbers of the layers it takes the place of, up to rounding, in about half of the time.
"""

from functools import partial
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from transformers import AttentionInterface

# Models whose layers are exactly those below: pre-normalised with a frozen root-mean-square norm,
# causal attention over all that came before, neither capped nor windowed.
_PLAIN_MODELS = frozenset({"llama", "qwen2", "qwen3"})
_ATTENTION = "short_causal"


def speed_up(tuned: Any) -> None:
    """Let the layers of a PEFT model on a CPU compute as this module does, where they can.

    Linear layers need no dropout, no bias and unpacked weights; norms and attention need a plain
    model. Everything else stays as it is.
    """
    plain = tuned.config.model_type in _PLAIN_MODELS
    for module in tuned.modules():
        if isinstance(module, LoraLinear) and _is_bare(module):
            _replace_lora(module)
        elif plain and type(module).__name__.endswith("RMSNorm"):
            module.forward = partial(_apply_norm, module.weight, module.variance_epsilon)
    if plain and not getattr(tuned.config, "attention_dropout", 0):
        AttentionInterface.register(_ATTENTION, attend_causally)
        tuned.get_base_model().set_attn_implementation(_ATTENTION)


def attend_causally(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Let every position attend to itself and to all before it, or as the mask says.

    query (batch, heads, seq, dim); key and value (batch, groups, seq, dim) without the heads that
    share them being copied. Returns (batch, seq, heads, dim). Flash attention is made for
    sequences longer than a question: at 40 tokens it takes eight times as long as these products.

    `attention_mask` (batch, 1, seq, seq) is added to the scores in place of the causal one.
    """
    batch, heads, seq, dim = query.shape
    groups = key.shape[1]
    shared = heads // groups
    if attention_mask is None:
        later = torch.full((1, seq, seq), float("-inf"), dtype=query.dtype).triu_(1)
    else:
        later = attention_mask.repeat(1, groups, 1, 1).flatten(0, 1)
    scores = torch.baddbmm(
        later.repeat(1, shared, 1).expand(batch * groups, shared * seq, seq),
        query.reshape(batch * groups, shared * seq, dim),
        key.reshape(batch * groups, seq, dim).transpose(1, 2),
        alpha=scaling,
    )
    seen = torch.bmm(scores.softmax(-1), value.reshape(batch * groups, seq, dim))
    return seen.view(batch, heads, seq, dim).transpose(1, 2), None


class _Lora(torch.autograd.Function):
    """y = x Wᵀ + s (x Aᵀ) Bᵀ with x (tokens, in), W (out, in), A (r, in), B (out, r).

    A and B are kept in float32, so that small steps are not lost, and multiplied in the type of x.
    PEFT's own layer multiplies them in float32, which on a CPU with bfloat16 arithmetic takes
    longer than W does.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, a: Any, b: Any, scale: float) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        a, b = a.to(x.dtype), (b * scale).to(x.dtype)
        low = rows @ a.t()
        ctx.save_for_backward(rows, weight, a, b, low)
        ctx.scale, ctx.shape = scale, x.shape
        return (rows @ weight.t()).addmm_(low, b.t()).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        rows, weight, a, b, low = ctx.saved_tensors
        grad = gradients[0].reshape(-1, gradients[0].shape[-1])
        grad_low = grad @ b
        grad_b = (grad.t() @ low).float().mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight).addmm_(grad_low, a).view(ctx.shape)
        return grad_x, None, (grad_low.t() @ rows).float(), grad_b, None


class _Norm(torch.autograd.Function):
    """y = w x / rms(x), the mean square taken in float32; w is frozen and gets no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, epsilon: float) -> torch.Tensor:
        wide = x.float()
        square = torch.linalg.vecdot(wide, wide).div_(x.shape[-1])
        inverse = square.add_(epsilon).rsqrt_().unsqueeze(-1)
        normal = wide * inverse
        ctx.save_for_backward(normal, weight, inverse)
        return normal.to(x.dtype) * weight

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        normal, weight, inverse = ctx.saved_tensors
        grad = (gradients[0] * weight).float()
        along = torch.linalg.vecdot(grad, normal).div_(normal.shape[-1]).unsqueeze(-1)
        grad_x = grad.addcmul_(normal, along, value=-1).mul_(inverse)
        return grad_x.to(gradients[0].dtype), None, None


def _replace_lora(module: Any) -> None:
    factors = (module.lora_A["default"].weight, module.lora_B["default"].weight)
    weights = (module.base_layer.weight, *factors)
    module.forward = partial(_apply_lora, weights, module.scaling["default"])


def _apply_lora(weights: tuple[torch.Tensor, ...], scale: float, x: torch.Tensor) -> Any:
    return _Lora.apply(x, *weights, scale)


def _apply_norm(weight: torch.Tensor, epsilon: float, x: torch.Tensor) -> Any:
    return _Norm.apply(x, weight, epsilon)


def _is_bare(module: LoraLinear) -> bool:
    """Tell whether a layer is a plain matrix product with an adapter that drops nothing out."""
    layer = module.base_layer
    dropout = module.lora_dropout["default"]
    return (
        isinstance(layer, torch.nn.Linear)
        and layer.bias is None
        and layer.weight.is_floating_point()
        and layer.weight.device.type == "cpu"
        and not (isinstance(dropout, torch.nn.Dropout) and dropout.p > 0)
    )
