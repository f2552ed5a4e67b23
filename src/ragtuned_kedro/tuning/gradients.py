"""Losses and gradients of one batch, worked on by several threads."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from ragtuned_kedro.language_models.chat import TokenizedChat
from ragtuned_kedro.tuning.batches import split_evenly
from ragtuned_kedro.tuning.loss import pad_right, summed_loss


@dataclass(frozen=True)
class Workers:
    """A model and the threads that share the work of a batch.

    On a CPU each thread takes a part of the rows with one core to itself: matrices this small
    gain little from being split further (on two cores, 1.3 times as many tokens per second as
    with torch's own two threads). The parts are added up in a fixed order, so the result does
    not depend on who finishes first.
    """

    model: Any
    parameters: dict[str, torch.Tensor]
    pool: Executor
    n_workers: int
    pad_id: int
    device: str

    def fill_gradients(self, chats: Sequence[TokenizedChat]) -> float:
        """Set every parameter's gradient to that of the mean loss per target token; return it."""
        n_targets = _count_targets(chats)

        def work(part: tuple[int, ...]) -> tuple[float, tuple[torch.Tensor, ...]]:
            loss = self._summed_loss([chats[index] for index in part]) / n_targets
            return loss.item(), torch.autograd.grad(loss, list(self.parameters.values()))

        (loss, gradients), *others = self.pool.map(work, self._parts(chats))
        for other_loss, other_gradients in others:
            loss += other_loss
            for gradient, other in zip(gradients, other_gradients, strict=True):
                gradient.add_(other)
        for parameter, gradient in zip(self.parameters.values(), gradients, strict=True):
            parameter.grad = gradient
        return loss

    def mean_loss(self, chats: Sequence[TokenizedChat], *, batch_size: int) -> float:
        """Average the loss over all target tokens of `chats`, in nats."""

        def work(part: tuple[int, ...]) -> float:
            with torch.inference_mode():
                return self._summed_loss([batch[index] for index in part]).item()

        ordered = sorted(chats, key=lambda chat: len(chat.ids))
        total = 0.0
        self.model.eval()
        for start in range(0, len(ordered), batch_size):
            batch = ordered[start : start + batch_size]
            total += sum(self.pool.map(work, self._parts(batch)))
        self.model.train()
        return total / _count_targets(chats)

    def _parts(self, chats: Sequence[TokenizedChat]) -> list[tuple[int, ...]]:
        return split_evenly(range(len(chats)), self.n_workers)

    def _summed_loss(self, chats: Sequence[TokenizedChat]) -> torch.Tensor:
        ids, is_target = pad_right(chats, pad_id=self.pad_id, device=self.device)
        return summed_loss(self.model, ids, is_target)


@contextmanager
def open_workers(
    model: Any, parameters: dict[str, torch.Tensor], *, n_threads: int, pad_id: int
) -> Iterator[Workers]:
    """Start the threads; torch's own number of threads is restored at the end.

    One worker serves a GPU. Dropout draws from one generator that threads would share, so a
    model with dropout gets one worker too, with all cores inside its matrix products.
    """
    device = next(iter(parameters.values())).device.type
    has_dropout = any(
        isinstance(module, torch.nn.Dropout) and module.p > 0 for module in model.modules()
    )
    n_torch = torch.get_num_threads()
    n_cores = n_threads or n_torch
    n_workers = 1 if device != "cpu" or has_dropout else n_cores
    torch.set_num_threads(max(1, n_cores // n_workers))
    try:
        with ThreadPoolExecutor(n_workers) as pool:
            yield Workers(model, parameters, pool, n_workers, pad_id, device)
    finally:
        torch.set_num_threads(n_torch)


def _count_targets(chats: Sequence[TokenizedChat]) -> int:
    return sum(sum(chat.is_target) for chat in chats)
