"""Layers of llama's kind, computed on a CPU in fewer passes over memory.

Matrices of a small model are multiplied so fast that half of the time goes between the products:
turning by angles, norms, masks and copies of keys for the heads that share them. What stands here
gives the numbers of the layers it takes the place of, up to rounding.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn.functional import silu

INTO_ATTENTION, INTO_MLP = ("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj")
# The attention of transformers whose place is taken.
_REPLACED = "sdpa"


def speed_up_answers(model: Any) -> Any:
    """Let the layers of a model without an adapter compute as this module does, where they can.

    That is on a CPU, without gradients, with unpacked weights and the attention that transformers
    itself chooses; all else stays as it is.
    """
    if model.config._attn_implementation != _REPLACED:
        return model
    for module in model.modules():
        if is_llama_layer(module, is_bare):
            module.forward = partial(_apply_layer, _Layer(module))
    return model


def is_llama_layer(module: Any, is_fit: Callable[[Any], bool]) -> bool:
    """Tell whether a module is a layer of llama's kind with silu, whose linear layers are fit."""
    if type(module).__name__ != "LlamaDecoderLayer":
        return False
    attention = (getattr(module.self_attn, name) for name in (*INTO_ATTENTION, "o_proj"))
    mlp = (getattr(module.mlp, name) for name in (*INTO_MLP, "down_proj"))
    is_silu = module.self_attn.config.hidden_act == "silu"
    return is_silu and all(is_fit(one) for one in (*attention, *mlp))


def is_bare(module: Any) -> bool:
    """Tell whether a layer is a plain matrix product on a CPU."""
    return (
        type(module) is torch.nn.Linear
        and module.bias is None
        and module.weight.is_floating_point()
        and module.weight.device.type == "cpu"
    )


def stack_weights(layers: Sequence[torch.nn.Linear]) -> torch.Tensor:
    """Write the weights of linear layers of one input one below the other, for one product.

    The layers keep what is now a part, so that no weight is held twice.
    """
    if len(layers) == 1:
        return layers[0].weight.detach()
    stacked = torch.cat([one.weight.detach() for one in layers])
    parts = stacked.split([len(one.weight) for one in layers])
    for layer, part in zip(layers, parts, strict=True):
        layer.weight.data = part
    return stacked


class RootMeanSquare:
    """y = w x / rms(x), the mean square taken in float32; w is frozen and gets no gradient."""

    def __init__(self, norm: Any) -> None:
        self._weight, self._epsilon = norm.weight.detach(), norm.variance_epsilon

    def apply(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute y of x (n, d), and 1 / rms(x) (n, 1)."""
        wide = x.float()
        square = torch.linalg.vecdot(wide, wide).div_(x.shape[-1])
        inverse = square.add_(self._epsilon).rsqrt_().unsqueeze(-1)
        return (wide * inverse).to(x.dtype).mul_(self._weight), inverse


def turn(vectors: Any, turned: Any, angles: Any, n_turned: int) -> None:
    """Write vectors (n, vectors, dim), the first `n_turned` with their halves (a, b) turned.

    These become (a cos - b sin, b cos + a sin) (RoPE, Su et al., arXiv 2104.09864). `angles` are
    cos and sin, (n, 1, dim / 2).
    """
    cos, sin = angles
    first, second = vectors[:, :n_turned].chunk(2, -1)
    one, other = turned[:, :n_turned].chunk(2, -1)
    torch.mul(first, cos, out=one).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=other).addcmul_(first, sin)
    turned[:, n_turned:] = vectors[:, n_turned:]


class _Layer:
    """What a layer consists of; not the layer itself, or no model would be freed by its count."""

    def __init__(self, module: Any) -> None:
        attention = module.self_attn
        self.before_attention = RootMeanSquare(module.input_layernorm)
        self.before_mlp = RootMeanSquare(module.post_attention_layernorm)
        self.into = stack_weights([getattr(attention, name) for name in INTO_ATTENTION])
        self.out = stack_weights([attention.o_proj])
        self.gates = stack_weights([getattr(module.mlp, name) for name in INTO_MLP])
        self.down = stack_weights([module.mlp.down_proj])
        self.index, self.dim, self.scaling = (
            attention.layer_idx,
            attention.head_dim,
            attention.scaling,
        )
        self.n_keys = attention.k_proj.out_features // self.dim


def _apply_layer(
    layer: _Layer,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    *,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    past_key_values: Any = None,
    **_: Any,
) -> torch.Tensor:
    n_rows, n_steps, width = hidden_states.shape
    # The second half of the angles repeats the first.
    angles = tuple(
        one[..., : layer.dim // 2].expand(n_rows, -1, -1).reshape(-1, 1, layer.dim // 2)
        for one in position_embeddings
    )
    hidden = hidden_states.reshape(-1, width)
    x = layer.before_attention.apply(hidden)[0]
    vectors = (x @ layer.into.t()).view(len(hidden), -1, layer.dim)
    turned = torch.empty_like(vectors)
    turn(vectors, turned, angles, vectors.shape[1] - layer.n_keys)
    by_row = turned.view(n_rows, n_steps, -1, layer.dim).transpose(1, 2)
    query, key, value = by_row.split(
        [vectors.shape[1] - 2 * layer.n_keys, layer.n_keys, layer.n_keys], 1
    )
    if past_key_values is not None:
        key, value = past_key_values.update(key, value, layer.index)
    seen = _attend(query, key, value, attention_mask, layer.scaling)
    middle = seen.reshape(len(hidden), -1) @ layer.out.t()
    middle += hidden
    y = layer.before_mlp.apply(middle)[0]
    gate, up = (y @ layer.gates.t()).chunk(2, -1)
    output = silu(gate).mul_(up) @ layer.down.t()
    output += middle
    return output.view(hidden_states.shape)


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
) -> torch.Tensor:
    """Attend with query (rows, heads, steps, dim) to keys and values that heads share.

    Returns (rows, steps, heads, dim). A mask is true where a step sees; without one a step sees all
    that came before. The heads of a key are multiplied together, so it need not be copied for each.
    """
    n_rows, n_heads, n_steps, dim = query.shape
    n_keys, n_seen = key.shape[1:3]
    if mask is None and n_steps > 1:
        mask = torch.ones(n_steps, n_seen, dtype=torch.bool).tril(n_seen - n_steps)
    keys, values = key.reshape(-1, n_seen, dim), value.reshape(-1, n_seen, dim)
    together = query.reshape(n_rows * n_keys, -1, dim)
    scores = torch.bmm(together, keys.transpose(1, 2)).mul_(scaling)
    if mask is not None:
        # Not minus infinity: padding sees nothing, and what it comes to has to be a number.
        hidden = torch.finfo(scores.dtype).min
        scores.view(n_rows, n_heads, n_steps, n_seen).masked_fill_(~mask, hidden)
    seen = torch.bmm(scores.softmax(-1), values)
    return seen.view(n_rows, n_heads, n_steps, dim).transpose(1, 2)
