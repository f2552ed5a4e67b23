"""The layers of a small model, computed on a CPU in fewer passes over memory.

Matrices this small are multiplied so fast (on a core with AMX, at a trillion operations a second)
that a training step spends most of its time between the products. What stands here gives the
numbers of the layers it takes the place of, up to rounding, in about half of the time.
"""

from collections.abc import Callable
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
    attends = plain and not getattr(tuned.config, "attention_dropout", 0)
    for module in tuned.modules():
        kind = type(module).__name__
        if isinstance(module, LoraLinear) and _is_bare(module):
            _compute(module, _apply_lora, module)
        elif plain and kind.endswith("RMSNorm"):
            _compute(module, _apply_norm, module.weight, module.variance_epsilon)
        elif plain and kind.endswith("MLP") and _are_bare(module, "gate_proj", "up_proj"):
            _compute(module, _apply_gated, module)
        elif (
            attends and kind == "LlamaAttention" and _are_bare(module, "q_proj", "k_proj", "v_proj")
        ):
            _compute(module, _apply_attention, module)
    if attends:
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
    """y = x Wᵀ + s (x Aᵀ) Bᵀ for several layers of the same x, with W, A and B of each.

    x (..., in), W (out, in), A (r, in), B (out, r); all x Aᵀ are one product, and so are all their
    gradients. A and B are kept in float32, so that small steps are not lost, and multiplied in the
    type of x. PEFT's own layer multiplies them in float32, which on a CPU with bfloat16 arithmetic
    takes longer than W does.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, scale: float, *factors: Any) -> tuple[torch.Tensor, ...]:
        rows = x.reshape(-1, x.shape[-1])
        weights, scaled = factors[::3], [(b * scale).to(x.dtype) for b in factors[2::3]]
        a = torch.cat(factors[1::3]).to(x.dtype)
        ctx.ranks = [b.shape[1] for b in scaled]
        low = rows @ a.t()
        ctx.save_for_backward(rows, low, a, *weights, *scaled)
        ctx.scale, ctx.shape = scale, x.shape
        return tuple(
            (rows @ weight.t()).addmm_(part, b.t()).view(*x.shape[:-1], -1)
            for weight, part, b in zip(weights, low.split(ctx.ranks, 1), scaled, strict=True)
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        rows, low, a, *rest = ctx.saved_tensors
        weights, scaled = rest[: len(gradients)], rest[len(gradients) :]
        grads = [one.reshape(-1, one.shape[-1]) for one in gradients]
        grad_low = torch.cat([grad @ b for grad, b in zip(grads, scaled, strict=True)], 1)
        grad_a = (grad_low.t() @ rows).float().split(ctx.ranks)
        grad_b = [
            (grad.t() @ part).float().mul_(ctx.scale)
            for grad, part in zip(grads, low.split(ctx.ranks, 1), strict=True)
        ]
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = grad_low @ a
            for grad, weight in zip(grads, weights, strict=True):
                grad_x.addmm_(grad, weight)
            grad_x = grad_x.view(ctx.shape)
        of_factors = (one for pair in zip(grad_a, grad_b, strict=True) for one in (None, *pair))
        return grad_x, None, *of_factors


class _Turn(torch.autograd.Function):
    """Turn queries or keys by their positions (RoPE, Su et al., arXiv 2104.09864).

    x (batch, seq, heads, dim); cos and sin (batch or 1, seq, 1, dim / 2). Returns (batch, heads,
    seq, dim) in memory as it is multiplied next.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, cos: Any, sin: Any) -> torch.Tensor:
        ctx.save_for_backward(cos, sin)
        batch, seq, heads, dim = x.shape
        turned = x.new_empty(batch, heads, seq, dim)
        _turn(x, turned.transpose(1, 2), cos, sin, 1)
        return turned

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        grad = gradients[0].transpose(1, 2)
        grad_x = torch.empty(grad.shape, dtype=grad.dtype)
        cos, sin = ctx.saved_tensors
        _turn(grad, grad_x, cos, sin, -1)
        return grad_x, None, None


def _turn(x: Any, turned: Any, cos: Any, sin: Any, way: int) -> None:
    """Write the halves (a, b) of x as (a cos - b sin, b cos + a sin); `way` -1 turns back."""
    (first, second), (one, other) = x.chunk(2, -1), turned.chunk(2, -1)
    torch.mul(first, cos, out=one).addcmul_(second, sin, value=-way)
    torch.mul(second, cos, out=other).addcmul_(first, sin, value=way)


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


def _compute(module: Any, how: Callable[..., Any], *known: Any) -> None:
    module.forward = partial(how, *known)


def _project(x: torch.Tensor, *layers: LoraLinear) -> tuple[torch.Tensor, ...]:
    """Apply layers with adapters of one scale to the same x, (..., in) to (..., out) each."""
    factors = (
        one
        for layer in layers
        for one in (
            layer.base_layer.weight,
            layer.lora_A["default"].weight,
            layer.lora_B["default"].weight,
        )
    )
    outputs: tuple[torch.Tensor, ...] = _Lora.apply(x, layers[0].scaling["default"], *factors)
    return outputs


def _apply_lora(layer: LoraLinear, x: torch.Tensor) -> torch.Tensor:
    return _project(x, layer)[0]


def _apply_gated(module: Any, x: torch.Tensor) -> torch.Tensor:
    gate, up = _project(x, module.gate_proj, module.up_proj)
    output: torch.Tensor = module.down_proj(module.act_fn(gate) * up)
    return output


def _apply_attention(
    module: Any,
    hidden_states: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    attention_mask: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as llama's layers do, without a cache."""
    batch, seq, _width = hidden_states.shape
    projected = _project(hidden_states, module.q_proj, module.k_proj, module.v_proj)
    query, key, value = (one.view(batch, seq, -1, module.head_dim) for one in projected)
    # The second half of the angles repeats the first.
    cos, sin = (one.chunk(2, -1)[0].unsqueeze(2) for one in position_embeddings)
    seen, _none = attend_causally(
        module,
        _Turn.apply(query, cos, sin),
        _Turn.apply(key, cos, sin),
        value.transpose(1, 2),
        attention_mask,
        scaling=module.scaling,
    )
    output: torch.Tensor = module.o_proj(seen.reshape(batch, seq, -1))
    return output, None


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


def _are_bare(module: Any, *names: str) -> bool:
    layers = [getattr(module, name) for name in names]
    return all(isinstance(one, LoraLinear) and _is_bare(one) for one in layers)
