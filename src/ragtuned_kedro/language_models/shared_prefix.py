"""Many prompts that begin alike: what they share is read once and attended to together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch

_NAME = "shared_prefix"
# Tokens read at a time: enough to keep the cores busy, few enough to keep activations small.
_CHUNK = 1024


@dataclass(frozen=True)
class Prefix:
    """A prefix as a model has read it: token ids, and keys and values by layer.

    Each of `keys` and `values` is (key/value heads, tokens, head dimension).
    """

    ids: tuple[int, ...]
    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]

    def first(self, n_tokens: int) -> "Prefix":
        """Cut the prefix after `n_tokens`; what was read before does not depend on the rest."""
        return Prefix(
            self.ids[:n_tokens],
            tuple(one[:, :n_tokens] for one in self.keys),
            tuple(one[:, :n_tokens] for one in self.values),
        )


@torch.inference_mode()
def read_prefix(model: Any, ids: Sequence[int]) -> Prefix:
    """Read `ids` with a causal language model of transformers."""
    cache = None
    for start in range(0, len(ids), _CHUNK):
        part = torch.tensor([list(ids[start : start + _CHUNK])], device=model.device)
        output = model(input_ids=part, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = output.past_key_values
    layers = [] if cache is None else list(cache.layers)
    return Prefix(
        tuple(ids),
        tuple(layer.keys[0] for layer in layers),
        tuple(layer.values[0] for layer in layers),
    )


@contextmanager
def attend_to_prefix(model: Any, prefix: Prefix) -> Iterator[None]:
    """Let every row that `model` reads meanwhile follow `prefix`; its positions start behind it.

    The keys of the prefix are compared with the queries of all rows in one product, and the two
    parts of each softmax, over the prefix and over the row itself, are joined by their
    normalisers. The numbers are those of ordinary attention; the prefix lies in memory once and
    is not copied for every row and step. Source: Hydragen (Juravsky et al., arXiv 2402.05099).
    """
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    def attend(
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        scaling: float | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, None]:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        at = module.layer_idx
        joined = _join(
            query * scale, key, value, attention_mask, prefix.keys[at], prefix.values[at]
        )
        return joined.transpose(1, 2).contiguous(), None

    before = model.config._attn_implementation
    AttentionInterface.register(_NAME, attend)
    AttentionMaskInterface.register(_NAME, eager_mask)
    model.set_attn_implementation(_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _join(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    prefix_key: torch.Tensor,
    prefix_value: torch.Tensor,
) -> torch.Tensor:
    """Attend to the prefix and to the rows, and weigh the two by their normalisers.

    `query` is (batch, heads, steps, dimension), `key` and `value` have fewer heads where heads
    share them. Sums are float32.
    """
    batch, n_heads, n_steps, size = query.shape
    n_shared = key.shape[1]
    grouped = query.view(batch, n_shared, n_heads // n_shared, n_steps, size)
    # (key/value heads, batch * heads of a group * steps, dimension): one product for all rows.
    together = grouped.permute(1, 0, 2, 3, 4).reshape(n_shared, -1, size)
    far, far_norm = _softmax(together @ prefix_key.transpose(1, 2), prefix_value)
    far = far.view(n_shared, batch, -1, n_steps, size).permute(1, 0, 2, 3, 4)
    far_norm = far_norm.view(n_shared, batch, -1, n_steps, 1).permute(1, 0, 2, 3, 4)

    scores = grouped @ key[:, :, None].transpose(-1, -2)
    if mask is not None:
        scores = scores + mask[:, :, None, :, : key.shape[-2]]
    near, near_norm = _softmax(scores, value[:, :, None])

    share = torch.sigmoid(far_norm - near_norm)
    joined = far * share + near * (1 - share)
    return joined.reshape(batch, n_heads, n_steps, size).to(value.dtype)


def _softmax(scores: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weigh `value` by the softmax of `scores`; also the logarithm of the normaliser."""
    norm = scores.float().logsumexp(-1, keepdim=True)
    weights = (scores.float() - norm).exp().to(value.dtype)
    return (weights @ value).float(), norm


def common_length(rows: Sequence[Sequence[int]]) -> int:
    """Count the ids with which all rows begin."""
    columns = zip(*rows, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def save_prefix(prefix: Prefix, file: Path) -> None:
    """Write a prefix as safetensors."""
    from safetensors.torch import save_file

    tensors = {"ids": torch.tensor(prefix.ids, dtype=torch.int64)}
    for at, (keys, values) in enumerate(zip(prefix.keys, prefix.values, strict=True)):
        tensors |= {
            f"keys.{at}": keys.cpu().contiguous(),
            f"values.{at}": values.cpu().contiguous(),
        }
    save_file(tensors, file)


def load_prefix(file: Path, device: str) -> Prefix:
    """Read what `save_prefix` wrote."""
    from safetensors.torch import load_file

    tensors = load_file(file, device=device)
    n_layers = (len(tensors) - 1) // 2
    return Prefix(
        tuple(tensors["ids"].tolist()),
        tuple(tensors[f"keys.{at}"] for at in range(n_layers)),
        tuple(tensors[f"values.{at}"] for at in range(n_layers)),
    )
