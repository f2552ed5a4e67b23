"""Which examples form which batch, as a function of a seed alone."""

import random
from collections.abc import Sequence
from functools import lru_cache

# Sorting within windows of this many batches leaves under 3 % of a batch as padding and still
# mixes examples of all kinds from step to step.
_WINDOW = 32


def batch_at(step: int, lengths: tuple[int, ...], *, batch_size: int, seed: int) -> tuple[int, ...]:
    """Look up the batch of a step, counted from 0 over all epochs."""
    epoch, position = divmod(step, count_batches(len(lengths), batch_size))
    return plan_epoch(lengths, batch_size=batch_size, seed=seed, epoch=epoch)[position]


def count_batches(n_examples: int, batch_size: int) -> int:
    """Count the batches of an epoch; the last may be smaller."""
    return -(-n_examples // batch_size)


@lru_cache(maxsize=2)
def plan_epoch(
    lengths: tuple[int, ...], *, batch_size: int, seed: int, epoch: int
) -> list[tuple[int, ...]]:
    """Put every index into exactly one batch, with neighbours of similar length.

    The plan is a pure function of its arguments, so a resumed run needs no generator state.
    """
    # Not for secrets: the same seed has to give the same order.
    source = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    source.shuffle(order)
    plan = [
        batch
        for window in _chunks(order, batch_size * _WINDOW)
        for batch in _chunks(sorted(window, key=lambda index: lengths[index]), batch_size)
    ]
    source.shuffle(plan)
    return plan


def _chunks(items: Sequence[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(items[start : start + size]) for start in range(0, len(items), size)]
