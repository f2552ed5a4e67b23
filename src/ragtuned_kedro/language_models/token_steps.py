"""A batch that is decoded token by token."""

from collections.abc import Sequence
from typing import Any

import torch


class TokenSteps:
    """Shows what a model says next on each row of a batch, and goes on with what was chosen.

    Prompts are padded on the left, so that the last position of each row is its last token;
    padding is masked and not counted in positions.
    """

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], *, pad_id: int) -> None:
        self._model = model
        width = max(len(prompt) for prompt in prompts)
        padded = [[pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=model.device)
        columns = torch.arange(width, device=model.device)
        # All are (rows, tokens); the mask covers what was read before as well.
        self._ids = torch.tensor(padded, device=model.device)
        self._mask = (columns >= width - lengths[:, None]).long()
        self._positions = (self._mask.cumsum(-1) - 1).clamp(min=0)
        # As an index it picks the last positions out as a block. The number 1 would leave them
        # strewn over the prompts, and torch then copies the output head once for every row.
        self._last = torch.tensor([-1], device=model.device)
        self._cache: Any = None

    def logits(self) -> torch.Tensor:
        """Read what has not been read yet; what comes next on each row, (rows, vocabulary)."""
        output = self._model(
            input_ids=self._ids,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=self._last,
        )
        self._cache = output.past_key_values
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def say(self, tokens: Sequence[int], rows: Sequence[int]) -> None:
        """Go on with `tokens`, each after one of `rows`; rows may be left out or come twice."""
        device = self._ids.device
        if list(rows) != list(range(len(self._ids))):
            kept = torch.tensor(rows, device=device)
            self._mask, self._positions = self._mask[kept], self._positions[kept]
            self._cache.batch_select_indices(kept)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(rows), 1)], dim=1)
        self._ids = torch.tensor(tokens, device=device)[:, None]
        self._positions = self._positions[:, -1:] + 1
