"""Texts that a model has read, kept so that what follows them can be read without them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ragtuned_kedro.language_models.rereading import read_off

# Texts that are read together, and continuations.
_TEXTS = 16
_PORTION = 32
# Bytes of keys and values: some 45,000 tokens of a model of 135M parameters.
_MOST_KEPT = 2**30

Ids = tuple[int, ...]


@dataclass(frozen=True)
class KeptTexts:
    """Keys and values of what `model` read before, the oldest forgotten first.

    Those of a text are (layers, 2, heads, tokens, dimension).
    """

    model: Any
    pad_id: int
    _kept: dict[Ids, torch.Tensor] = field(default_factory=dict)

    @torch.inference_mode()
    def log_probabilities(
        self,
        pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
        *,
        between: Sequence[int] = (),
        then: Sequence[int] = (),
    ) -> list[torch.Tensor]:
        """Tell what `rereading.token_log_probabilities` tells of pairs of text and continuation.

        Behind these stands how likely each of `then` is to come after the continuation and the
        tokens `between`. The text of a pair holds at least two tokens.
        """
        # Padding behind a continuation is computed as its tokens are, before a text only seen.
        order = sorted(range(len(pairs)), key=lambda at: (len(pairs[at][1]), len(pairs[at][0])))
        told: dict[int, torch.Tensor] = {}
        for start in range(0, len(order), _PORTION):
            portion = order[start : start + _PORTION]
            found = self._read_on([pairs[at] for at in portion], between, then)
            told |= zip(portion, found, strict=True)
        return [told[at] for at in range(len(pairs))]

    def _read_on(
        self,
        pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
        between: Sequence[int],
        then: Sequence[int],
    ) -> list[torch.Tensor]:
        from transformers import DynamicCache

        # The last token of a text is read with what follows, whose first token it predicts.
        texts = [tuple(text[:-1]) for text, _ in pairs]
        self._read(list(dict.fromkeys(texts)))
        rests = [[text[-1], *rest, *between] for text, rest in pairs]
        before, after = max(map(len, texts)), max(map(len, rests))
        device = self.model.device
        kept = self._kept[texts[0]]
        past = kept.new_zeros(len(pairs), *kept.shape[:3], before, kept.shape[-1])
        mask = torch.ones(len(pairs), before + after, dtype=torch.long)
        for row, text in enumerate(texts):
            past[row, ..., before - len(text) :, :] = self._kept[text]
            mask[row, : before - len(text)] = 0
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(past.movedim(0, 2)):
            cache.update(keys, values, layer)
        # Padding behind a continuation stands where causal attention does not look.
        ids = [[*rest, *[self.pad_id] * (after - len(rest))] for rest in rests]
        starts = torch.tensor([len(text) for text in texts], device=device)
        hidden = self.model.base_model(
            input_ids=torch.tensor(ids, device=device),
            attention_mask=mask.to(device),
            position_ids=starts[:, None] + torch.arange(after, device=device),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        self._forget(set(texts))
        return read_off(
            self.model, hidden, [(0, rest) for _, rest in pairs], then, n_between=len(between)
        )

    def _read(self, texts: Sequence[Ids]) -> None:
        """Read what is not kept; what is wanted now becomes the last to be forgotten."""
        for text in texts:
            if text in self._kept:
                self._kept[text] = self._kept.pop(text)
        missing = sorted((text for text in texts if text not in self._kept), key=len)
        for start in range(0, len(missing), _TEXTS):
            part = missing[start : start + _TEXTS]
            width = len(part[-1])
            ids = [[*text, *[self.pad_id] * (width - len(text))] for text in part]
            layers = self.model.base_model(
                input_ids=torch.tensor(ids, device=self.model.device), use_cache=True
            ).past_key_values.layers
            for row, text in enumerate(part):
                self._kept[text] = torch.stack(
                    [
                        torch.stack(
                            [layer.keys[row, :, : len(text)], layer.values[row, :, : len(text)]]
                        )
                        for layer in layers
                    ]
                )

    def _forget(self, wanted: set[Ids]) -> None:
        n_bytes = sum(one.nbytes for one in self._kept.values())
        for text in [text for text in self._kept if text not in wanted]:
            if n_bytes <= _MOST_KEPT:
                break
            n_bytes -= self._kept.pop(text).nbytes
