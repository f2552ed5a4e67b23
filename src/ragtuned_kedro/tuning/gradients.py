"""Losses and gradients of one batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from ragtuned_kedro.language_models.chat import TokenizedChat
from ragtuned_kedro.tuning.attention import takes_packed
from ragtuned_kedro.tuning.layout import pack, pad
from ragtuned_kedro.tuning.loss import summed_loss


@dataclass(frozen=True)
class Learner:
    """A model and those of its parameters that are trained; with `among` it learns to choose."""

    model: Any
    parameters: dict[str, torch.Tensor]
    pad_id: int
    among: tuple[int, ...] = ()

    @property
    def device(self) -> str:
        """Where the parameters lie: cpu or cuda."""
        return next(iter(self.parameters.values())).device.type

    def fill_gradients(self, chats: Sequence[TokenizedChat]) -> float:
        """Set every parameter's gradient to that of the mean loss per target token; return it."""
        loss = self._summed_loss(chats) / _count_targets(chats)
        gradients = torch.autograd.grad(loss, list(self.parameters.values()))
        for parameter, gradient in zip(self.parameters.values(), gradients, strict=True):
            parameter.grad = gradient
        return loss.item()

    @torch.inference_mode()
    def mean_loss(self, chats: Sequence[TokenizedChat], *, batch_size: int) -> float:
        """Average the loss over all target tokens of `chats`, in nats."""
        ordered = sorted(chats, key=lambda chat: len(chat.ids))
        self.model.eval()
        total = sum(
            self._summed_loss(ordered[start : start + batch_size]).item()
            for start in range(0, len(ordered), batch_size)
        )
        self.model.train()
        return total / _count_targets(chats)

    def _summed_loss(self, chats: Sequence[TokenizedChat]) -> torch.Tensor:
        layout = (
            pack(chats, device=self.device)
            if takes_packed(self.model)
            else pad(chats, pad_id=self.pad_id, dtype=self.model.dtype, device=self.device)
        )
        among = torch.tensor(self.among, device=self.device) if self.among else None
        return summed_loss(self.model, layout, among=among)


@contextmanager
def use_threads(n_threads: int) -> Iterator[None]:
    """Let torch use so many threads, 0 for its own number, and restore that number at the end."""
    n_torch = torch.get_num_threads()
    torch.set_num_threads(n_threads or n_torch)
    try:
        yield
    finally:
        torch.set_num_threads(n_torch)


def _count_targets(chats: Sequence[TokenizedChat]) -> int:
    return sum(sum(chat.is_target) for chat in chats)
