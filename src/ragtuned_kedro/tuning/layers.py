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

from ragtuned_kedro.tuning.layout import Branches, Family

# Models whose layers are exactly those below: pre-normalised with a frozen root-mean-square norm,
# causal attention over all that came before, neither capped nor windowed.
_PLAIN_MODELS = frozenset({"llama", "qwen2", "qwen3"})
_ATTENTION = "in_families"


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
        AttentionInterface.register(_ATTENTION, attend_in_families)
        tuned.get_base_model().set_attn_implementation(_ATTENTION)


def takes_packed(model: Any) -> bool:
    """Tell whether a model's attention takes chats as `layout.pack` lays them out."""
    return bool(model.config._attn_implementation == _ATTENTION)


def attend_in_families(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    families: tuple[Family, ...],
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Let every position of a packed row attend to itself and to what its family puts before it.

    query (1, heads, seq, dim); key and value (1, groups, seq, dim), without the heads that share
    them being copied. Returns (1, seq, heads, dim). Flash attention is made for sequences longer
    than a question: at 40 tokens it takes eight times as long as the products here.
    """
    rows = (one[0].transpose(0, 1) for one in (query, key, value))
    return _Attend.apply(*rows, None, scaling, families)[None], None


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


class _Attend(torch.autograd.Function):
    """Causal attention within families: a stem, and branches that see the stem and themselves.

    query (seq, heads, dim), key and value (seq, groups, dim); `angles` are None, or cos and sin
    (seq, dim / 2) by which queries and keys are turned first (RoPE, Su et al., arXiv 2104.09864).
    Returns (seq, heads, dim).
    """

    @staticmethod
    def forward(
        ctx: Any, query: Any, key: Any, value: Any, angles: Any, scaling: float, families: Any
    ) -> torch.Tensor:
        seen = torch.empty(query.shape, dtype=query.dtype)
        ctx.scaling, ctx.families, ctx.angles = scaling, families, angles
        ctx.shapes = query.shape, key.shape
        kept = []
        for family in families:
            before = None
            for sequences in _sequences(family):
                queries = _spread(query, sequences, angles)
                keys = _spread(key, sequences, angles, before and before[0])
                values = _spread(value, sequences, None, before and before[1])
                shares = _share_attention(queries, keys, scaling)
                given = torch.bmm(shares, values.flatten(0, 1)).view(queries.shape)
                _collect(given, sequences, None, seen)
                kept += [queries, keys, values, shares]
                before = keys, values
        ctx.save_for_backward(*kept)
        return seen

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        of_queries, of_keys = ctx.shapes
        (grad,) = gradients
        grads = [torch.empty(one, dtype=grad.dtype) for one in (of_queries, of_keys, of_keys)]
        kept = iter(reversed(ctx.saved_tensors))
        for family in reversed(ctx.families):
            behind = None
            for sequences in reversed(_sequences(family)):
                shares, values, keys, queries = (next(kept) for _ in range(4))
                given = _spread(grad, sequences, None).view(len(shares), -1, keys.shape[-1])
                grad_values = torch.bmm(shares.transpose(1, 2), given).view(values.shape)
                of_shares = torch.bmm(given, values.flatten(0, 1).transpose(1, 2))
                scores = torch._softmax_backward_data(of_shares, shares, -1, shares.dtype)
                scores.mul_(ctx.scaling)
                grad_queries = torch.bmm(scores, keys.flatten(0, 1)).view(queries.shape)
                grad_keys = torch.bmm(
                    scores.transpose(1, 2), queries.view(len(shares), -1, keys.shape[-1])
                ).view(keys.shape)
                if behind is not None:
                    grad_keys += behind[0]
                    grad_values += behind[1]
                own = slice(keys.shape[2] - sequences.width, None)
                _collect(grad_queries, sequences, ctx.angles, grads[0])
                _collect(grad_keys[:, :, own], sequences, ctx.angles, grads[1])
                _collect(grad_values[:, :, own], sequences, None, grads[2])
                behind = [
                    one[:, :, : own.start].sum(0, keepdim=True) for one in (grad_keys, grad_values)
                ]
        return *grads, None, None, None


def _sequences(family: Family) -> list[Branches]:
    return [one for one in (family.stem, family.branches) if one.width]


def _share_attention(queries: torch.Tensor, keys: torch.Tensor, scaling: float) -> torch.Tensor:
    """Weigh what stands before every query; (sequences * groups, heads a group * seq, keys)."""
    n, heads, seq, dim = queries.shape
    groups, n_keys = keys.shape[1:3]
    later = torch.full((seq, n_keys), float("-inf"), dtype=keys.dtype).triu_(n_keys - seq + 1)
    scores = torch.baddbmm(
        later.repeat(heads // groups, 1).expand(n * groups, -1, -1),
        queries.view(n * groups, -1, dim),
        keys.flatten(0, 1).transpose(1, 2),
        alpha=scaling,
    )
    return scores.softmax(-1)


def _spread(
    rows: torch.Tensor, sequences: Branches, angles: Any, before: torch.Tensor | None = None
) -> torch.Tensor:
    """Set sequences side by side, turned by `angles`, each behind what stands `before` all of them.

    rows (seq, heads, dim); before (1, heads, n, dim). Returns (sequences, heads, n + width, dim).
    """
    n, width = len(sequences.lengths), sequences.width
    own = rows[sequences.span]
    if sequences.filled is not None:
        own = own.new_zeros(n * width, *own.shape[1:]).index_copy_(0, sequences.filled, own)
    own = own.view(n, width, *rows.shape[1:]).transpose(1, 2)
    n_before = 0 if before is None else before.shape[2]
    spread = own.new_empty(n, own.shape[1], n_before + width, own.shape[3])
    if before is not None:
        spread[:, :, :n_before] = before
    _turn(own, spread[:, :, n_before:], angles, sequences, 1)
    return spread


def _collect(spread: torch.Tensor, sequences: Branches, angles: Any, rows: torch.Tensor) -> None:
    """Write sequences side by side, turned back by `angles`, into their places among the rows."""
    n, heads, width, dim = spread.shape
    own = spread.new_empty(n, width, heads, dim)
    _turn(spread, own.transpose(1, 2), angles, sequences, -1)
    own = own.flatten(0, 1)
    if sequences.filled is None:
        rows[sequences.span] = own
    else:
        torch.index_select(own, 0, sequences.filled, out=rows[sequences.span])


def _turn(x: Any, turned: Any, angles: Any, sequences: Branches, way: int) -> None:
    """Write the halves (a, b) of x as (a cos - b sin, b cos + a sin); `way` -1 turns back."""
    if angles is None:
        turned.copy_(x)
        return
    # All sequences have the positions of the longest.
    cos, sin = (one[sequences.longest] for one in angles)
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
    *,
    families: tuple[Family, ...],
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as llama's layers do, to one packed row."""
    projected = _project(hidden_states, module.q_proj, module.k_proj, module.v_proj)
    rows = (one.view(one.shape[1], -1, module.head_dim) for one in projected)
    # The second half of the angles repeats the first.
    angles = tuple(one[0].chunk(2, -1)[0] for one in position_embeddings)
    seen = _Attend.apply(*rows, angles, module.scaling, families)
    output: torch.Tensor = module.o_proj(seen.view(1, len(seen), -1))
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
