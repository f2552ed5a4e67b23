"""The layers of a small model, computed on a CPU in fewer passes over memory.

Matrices this small are multiplied so fast (on a core with AMX, at a trillion operations a second)
that a training step spends most of its time between the products. What stands here gives the
numbers of the layers it takes the place of, up to rounding, in about half of the time.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch.nn.functional import pad, silu
from transformers import AttentionInterface

from ragtuned_kedro.language_models.plain_layers import (
    INTO_ATTENTION,
    INTO_MLP,
    RootMeanSquare,
    is_bare,
    is_llama_layer,
    stack_weights,
    turn,
)
from ragtuned_kedro.tuning.attention import BY_PLAN, AttentionPlan, attend, attend_back

# Models whose layers are exactly those below: pre-normalised with a frozen root-mean-square norm,
# causal attention over all that came before, neither capped nor windowed.
_PLAIN_MODELS = frozenset({"llama", "qwen2", "qwen3"})


def speed_up(tuned: Any) -> None:
    """Let the layers of a PEFT model on a CPU compute as this module does, where they can.

    Linear layers need no dropout, no bias and unpacked weights; norms and attention need a plain
    model, and whole layers one of llama's kind. Everything else stays as it is.
    """
    plain = tuned.config.model_type in _PLAIN_MODELS
    attends = plain and not getattr(tuned.config, "attention_dropout", 0)
    whole = [one for one in tuned.modules() if attends and is_llama_layer(one, _carries_adapter)]
    inside = {id(one) for layer in whole for one in layer.modules()}
    for layer in whole:
        _compute(layer, _apply_layer, _Layer(layer))
    for module in tuned.modules():
        if id(module) in inside:
            continue
        if _carries_adapter(module):
            _compute(module, _apply_lora, _Projection(module))
        elif plain and type(module).__name__.endswith("RMSNorm"):
            _compute(module, _apply_norm, _RootMeanSquare(module))
    if attends:
        AttentionInterface.register(BY_PLAN, _attend_by_plan)
        tuned.get_base_model().set_attn_implementation(BY_PLAN)


def _attend_by_plan(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    plan: AttentionPlan,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Let every position of a packed row see what the plan says.

    query (1, heads, seq, dim); key and value (1, keys, seq, dim), without the heads that share them
    being copied. Returns (1, seq, heads, dim).
    """
    rows = (one[0].transpose(0, 1) for one in (query, key, value))
    return _Attend.apply(*rows, scaling, plan)[None], None


class _Attend(torch.autograd.Function):
    """Attention of vectors that are turned already: query (seq, heads, dim), key, value alike."""

    @staticmethod
    def forward(
        ctx: Any, query: Any, key: Any, value: Any, scaling: float, plan: AttentionPlan
    ) -> torch.Tensor:
        places = plan.places(query.shape[1], key.shape[1], query.dtype)
        vectors = pad(torch.cat([query, key, value], 1), (0, 0, 0, 0, 0, 1))
        seen, kept = attend(vectors, places, scaling)
        ctx.kept, ctx.places, ctx.scaling = kept, places, scaling
        return seen.view(query.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        gradient = pad(gradients[0], (0, 0, 0, 0, 0, 1))
        of_vectors = attend_back(gradient, ctx.kept, ctx.places, ctx.scaling)
        n_keys = ctx.places.n_keys
        n_heads = of_vectors.shape[1] - 2 * n_keys
        return *of_vectors.split([n_heads, n_keys, n_keys], 1), None, None


class _Projection:
    """Linear layers of the same x with their adapters, as one product: y = x Wᵀ + s (x Aᵀ) Bᵀ.

    W (out, in) and A (r, in) are those of all layers, one below the other; B (out, r) holds theirs
    along its diagonal and zeros elsewhere. A and B are kept in float32 by their layers, so that
    small steps are not lost, and multiplied in the type of W. PEFT's own layer multiplies them in
    float32, which on a CPU with bfloat16 arithmetic takes longer than W does.
    """

    def __init__(self, *layers: LoraLinear) -> None:
        bases: list[Any] = [layer.base_layer for layer in layers]
        self._weight = stack_weights(bases)
        self.factors: tuple[Any, ...] = tuple(
            one["default"].weight for layer in layers for one in (layer.lora_A, layer.lora_B)
        )
        self._scale = layers[0].scaling["default"]
        ranks = [len(one) for one in self.factors[::2]]
        self._a = self._weight.new_empty(sum(ranks), self._weight.shape[1])
        self._b = self._weight.new_zeros(len(self._weight), sum(ranks))
        self._spans = []
        row = rank = 0
        for base, r in zip(bases, ranks, strict=True):
            n = base.out_features
            self._spans.append((slice(row, row + n), slice(rank, rank + r)))
            row, rank = row + n, rank + r

    def take(self, factors: Sequence[torch.Tensor]) -> None:
        """Read A and B of the layers, alternating."""
        for (rows, ranks), a, b in zip(self._spans, factors[::2], factors[1::2], strict=True):
            self._a[ranks].copy_(a)
            self._b[rows, ranks].copy_(b)

    def apply(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute y (n, out) of x (n, in), and s x Aᵀ (n, r), which the gradients need."""
        low = (x @ self._a.t()).mul_(self._scale)
        return (x @ self._weight.t()).addmm_(low, self._b.t()), low

    def back(
        self, gradient: torch.Tensor, x: torch.Tensor, low: torch.Tensor, *, to_x: bool = True
    ) -> tuple[torch.Tensor | None, list[torch.Tensor]]:
        """Take the gradient of y to x, where it is wanted, and to A and B of the layers."""
        of_low = (gradient @ self._b).mul_(self._scale)
        of_a, of_b = of_low.t() @ x, gradient.t() @ low
        of_factors = [
            one.float().contiguous()
            for rows, ranks in self._spans
            for one in (of_a[ranks], of_b[rows, ranks])
        ]
        of_x = (gradient @ self._weight).addmm_(of_low, self._a) if to_x else None
        return of_x, of_factors


class _Lora(torch.autograd.Function):
    """One linear layer with its adapter, x (..., in) to (..., out)."""

    @staticmethod
    def forward(ctx: Any, x: Any, layer: _Projection, *factors: Any) -> torch.Tensor:
        layer.take(factors)
        rows = x.reshape(-1, x.shape[-1])
        y, low = layer.apply(rows)
        ctx.save_for_backward(rows, low, *factors)
        ctx.layer, ctx.shape = layer, x.shape
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        rows, low, *_ = ctx.saved_tensors
        gradient = gradients[0].reshape(len(rows), -1)
        to_x = ctx.needs_input_grad[0]
        of_x, of_factors = ctx.layer.back(gradient, rows, low, to_x=to_x)
        return of_x.view(ctx.shape) if to_x else None, None, *of_factors


class _RootMeanSquare(RootMeanSquare):
    """A norm that also takes gradients back."""

    def back(
        self, gradient: torch.Tensor, x: torch.Tensor, y: torch.Tensor, inverse: torch.Tensor
    ) -> torch.Tensor:
        """Take the gradient of y to x; (n, d) in float32."""
        along = (gradient * y).sum(-1, keepdim=True, dtype=torch.float32).div_(x.shape[-1])
        of_x = (gradient * self._weight).float().mul_(inverse)
        return of_x.addcmul_(x.float(), along.mul_(inverse.square()), value=-1)


class _Norm(torch.autograd.Function):
    """A norm by itself, x (..., d)."""

    @staticmethod
    def forward(ctx: Any, x: Any, norm: _RootMeanSquare) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        y, inverse = norm.apply(rows)
        ctx.save_for_backward(rows, y, inverse)
        ctx.norm = norm
        return y.view(x.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients
        rows, y, inverse = ctx.saved_tensors
        of_x = ctx.norm.back(gradient.reshape(rows.shape), rows, y, inverse)
        return of_x.to(gradient.dtype).view(gradient.shape), None


class _Layer:
    """What a layer of llama's kind consists of."""

    def __init__(self, module: Any) -> None:
        attention, mlp = module.self_attn, module.mlp
        self.before_attention = _RootMeanSquare(module.input_layernorm)
        self.before_mlp = _RootMeanSquare(module.post_attention_layernorm)
        self.into = _Projection(*(getattr(attention, name) for name in INTO_ATTENTION))
        self.out = _Projection(attention.o_proj)
        self.gates = _Projection(*(getattr(mlp, name) for name in INTO_MLP))
        self.down = _Projection(mlp.down_proj)
        self.projections = (self.into, self.out, self.gates, self.down)
        self.factors = [one for each in self.projections for one in each.factors]
        self.dim, self.scaling = attention.head_dim, attention.scaling
        self.n_keys = attention.k_proj.out_features // self.dim


class _WholeLayer(torch.autograd.Function):
    """A layer from end to end, hidden (n, d) to (n, d).

    `angles` are cos and sin (n, 1, dim / 2) by which queries and keys are turned (RoPE, Su et al.,
    arXiv 2104.09864). A layer is a hundred operations on matrices so small that calling them takes
    as long as they do; autograd would add one of its own to each, and a copy to many.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Any, layer: _Layer, plan: AttentionPlan, angles: Any, *factors: Any
    ) -> torch.Tensor:
        given = iter(factors)
        for one in layer.projections:
            one.take([next(given) for _ in one.factors])
        x, inverse = layer.before_attention.apply(hidden)
        projected, into_low = layer.into.apply(x)
        n_rows = len(hidden)
        vectors = projected.view(n_rows, -1, layer.dim)
        n_vectors = vectors.shape[1]
        places = plan.places(n_vectors - 2 * layer.n_keys, layer.n_keys, hidden.dtype)
        padded = vectors.new_empty(n_rows + 1, n_vectors, layer.dim)
        padded[n_rows] = 0
        turn(vectors, padded[:n_rows], angles, n_vectors - layer.n_keys)
        seen, kept = attend(padded, places, layer.scaling)
        seen = seen.view(n_rows, -1)
        middle, out_low = layer.out.apply(seen)
        middle += hidden
        y, middle_inverse = layer.before_mlp.apply(middle)
        gates, gates_low = layer.gates.apply(y)
        gate, up = gates.chunk(2, -1)
        opened = silu(gate)
        passed = opened * up
        output, down_low = layer.down.apply(passed)
        output += middle
        ctx.save_for_backward(*factors)
        ctx.layer, ctx.places, ctx.angles = layer, places, angles
        ctx.attended = hidden, x, inverse, into_low, kept, seen, out_low
        ctx.gated = middle, y, middle_inverse, gates, gates_low, opened, passed, down_low
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        _ = ctx.saved_tensors  # raises if a factor was changed since
        layer, (gradient,) = ctx.layer, gradients
        hidden, x, inverse, into_low, kept, seen, out_low = ctx.attended
        middle, y, middle_inverse, gates, gates_low, opened, passed, down_low = ctx.gated
        of_passed, of_down = layer.down.back(gradient, passed, down_low)
        gate, up = gates.chunk(2, -1)
        of_gates = torch.empty_like(gates)
        of_gate, of_up = of_gates.chunk(2, -1)
        torch.mul(of_passed, opened, out=of_up)
        torch.ops.aten.silu_backward.grad_input(of_passed.mul_(up), gate, grad_input=of_gate)
        of_y, of_gates_factors = layer.gates.back(of_gates, y, gates_low)
        of_middle = layer.before_mlp.back(of_y, middle, y, middle_inverse)
        of_middle = of_middle.add_(gradient).to(gradient.dtype)
        of_seen, of_out = layer.out.back(of_middle, seen, out_low)
        of_seen = pad(of_seen, (0, 0, 0, 1)).view(len(hidden) + 1, -1, layer.dim)
        turned = attend_back(of_seen, kept, ctx.places, layer.scaling)
        of_vectors = torch.empty_like(turned)
        cos, sin = ctx.angles
        turn(turned, of_vectors, (cos, -sin), turned.shape[1] - layer.n_keys)
        of_vectors = of_vectors.view(len(hidden), -1)
        to_hidden = ctx.needs_input_grad[0]
        of_x, of_into = layer.into.back(of_vectors, x, into_low, to_x=to_hidden)
        of_hidden = None
        if to_hidden:
            of_hidden = layer.before_attention.back(of_x, hidden, x, inverse)
            of_hidden = of_hidden.add_(of_middle).to(gradient.dtype)
        return of_hidden, None, None, None, *of_into, *of_out, *of_gates_factors, *of_down


def _compute(module: Any, how: Callable[..., Any], *known: Any) -> None:
    module.forward = partial(how, *known)


def _apply_lora(layer: _Projection, x: torch.Tensor) -> Any:
    return _Lora.apply(x, layer, *layer.factors)


def _apply_norm(norm: _RootMeanSquare, x: torch.Tensor) -> Any:
    return _Norm.apply(x, norm)


def _apply_layer(
    layer: _Layer,
    hidden_states: torch.Tensor,
    *,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    plan: AttentionPlan,
    **_: Any,
) -> torch.Tensor:
    # The second half of the angles repeats the first.
    angles = tuple(one[0].chunk(2, -1)[0][:, None] for one in position_embeddings)
    output: torch.Tensor = _WholeLayer.apply(hidden_states[0], layer, plan, angles, *layer.factors)
    return output[None]


def _carries_adapter(module: Any) -> bool:
    """Tell whether a layer is a plain matrix product with an adapter that drops nothing out."""
    if not isinstance(module, LoraLinear):
        return False
    dropout = module.lora_dropout["default"]
    return is_bare(module.base_layer) and not (
        isinstance(dropout, torch.nn.Dropout) and dropout.p > 0
    )
