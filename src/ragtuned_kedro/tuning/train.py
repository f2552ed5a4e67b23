"""The training loop: batches in, adapter weights changed in place, a log out."""

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ragtuned_kedro.language_models.chat import TokenizedChat
from ragtuned_kedro.language_models.memory import (
    give_back_freed_memory,
    hold_freed_memory,
)
from ragtuned_kedro.tuning.batches import batch_at, count_batches
from ragtuned_kedro.tuning.checkpoint import load_checkpoint, save_checkpoint
from ragtuned_kedro.tuning.gradients import Learner, use_threads
from ragtuned_kedro.tuning.schedule import learning_rate_at

Row = dict[str, Any]

# Batches differ in shape, so what one step frees does not fit the next, and piles up, by some ten
# megabytes a step; to take it from the system anew is a tenth of a step.
_STEPS_BETWEEN_TRIMS = 50


@dataclass(frozen=True)
class Schedule:
    """How long, how fast and in which portions; `epochs` may be a fraction."""

    learning_rate: float
    epochs: float
    batch_size: int
    warmup_share: float
    final_learning_rate_share: float
    weight_decay: float
    max_grad_norm: float
    checkpoint_every_steps: int
    validate_every_steps: int
    seed: int


def train(
    model: Any,
    train_chats: Sequence[TokenizedChat],
    validation_chats: Sequence[TokenizedChat],
    schedule: Schedule,
    *,
    pad_id: int,
    n_threads: int,
    checkpoint: Path,
    what: str = "adapter",
    among: tuple[int, ...] = (),
) -> list[Row]:
    """Train the adapter of `model`, a PEFT model, and return the rows of the training log.

    The progress bar names `what` is tuned. With `among` every target is one of these tokens, and
    the model learns to choose among them.

    Goes on from `checkpoint` where that file exists; apart from `seconds` and memory the result
    is then the same, bit by bit, as that of a run that was never interrupted.
    """
    parameters = {name: one for name, one in model.named_parameters() if one.requires_grad}
    optimizer = torch.optim.AdamW(
        parameters.values(), weight_decay=schedule.weight_decay, fused=True
    )
    done: Row = {"step": 0, "target_tokens_seen": 0, "seconds": 0.0, "log": []}
    if checkpoint.exists():
        done = load_checkpoint(checkpoint, parameters, optimizer)
    started = time.monotonic() - done["seconds"]
    lengths = tuple(len(chat.ids) for chat in train_chats)
    n_batches = count_batches(len(lengths), schedule.batch_size)
    n_steps = max(1, round(schedule.epochs * n_batches))
    learner = Learner(model.get_base_model(), parameters, pad_id, among)
    with (
        use_threads(n_threads),
        hold_freed_memory(),
        closing(_Meter(done["step"], n_steps, what)) as meter,
    ):
        for step in range(done["step"], n_steps):
            places = batch_at(step, lengths, batch_size=schedule.batch_size, seed=schedule.seed)
            batch = [train_chats[place] for place in places]
            row = _take_step(learner, optimizer, batch, schedule, step=step, n_steps=n_steps)
            done["step"] = step + 1
            done["target_tokens_seen"] += sum(sum(chat.is_target) for chat in batch)
            rows = [{"split": "train", **row}]
            if validation_chats and _is_due(step, schedule.validate_every_steps, n_steps):
                loss = learner.mean_loss(validation_chats, batch_size=schedule.batch_size)
                rows.append({"split": "validation", **row, "loss": loss, "grad_norm": None})
            done["seconds"] = time.monotonic() - started
            measured = {
                "step": step + 1,
                "epoch": (step + 1) / n_batches,
                "target_tokens_seen": done["target_tokens_seen"],
                "seconds": done["seconds"],
                "peak_memory_bytes": _peak_memory(learner.device),
            }
            done["log"] += [one | measured for one in rows]
            if _is_due(step, schedule.checkpoint_every_steps, n_steps):
                save_checkpoint(checkpoint, parameters, optimizer, done)
            if _is_due(step, _STEPS_BETWEEN_TRIMS, n_steps):
                give_back_freed_memory()
            meter.show(batch, row["loss"])
    log: list[Row] = done["log"]
    return log


def _is_due(step: int, every: int, n_steps: int) -> bool:
    return (step + 1) % every == 0 or step + 1 == n_steps


def _take_step(
    learner: Learner,
    optimizer: torch.optim.Optimizer,
    batch: Sequence[TokenizedChat],
    schedule: Schedule,
    *,
    step: int,
    n_steps: int,
) -> Row:
    """Change the adapter once; dropout is seeded by the step, so that any step can be resumed."""
    rate = learning_rate_at(
        step,
        n_steps=n_steps,
        peak=schedule.learning_rate,
        warmup_share=schedule.warmup_share,
        final_share=schedule.final_learning_rate_share,
    )
    for group in optimizer.param_groups:
        group["lr"] = rate
    torch.manual_seed(schedule.seed * 1_000_003 + step)
    loss = learner.fill_gradients(batch)
    norm = torch.nn.utils.clip_grad_norm_(learner.parameters.values(), schedule.max_grad_norm)
    optimizer.step()
    return {"loss": loss, "learning_rate": rate, "grad_norm": float(norm)}


class _Meter:
    """The progress bar: loss, tokens per second (of the answers, of everything), time left."""

    def __init__(self, n_done: int, n_steps: int, what: str) -> None:
        self._bar = tqdm(
            total=n_steps, initial=n_done, desc=f"tuning {what}", unit="step", mininterval=1
        )
        self._started = time.monotonic()
        self._n_targets = self._n_tokens = 0

    def show(self, batch: Sequence[TokenizedChat], loss: float) -> None:
        self._n_targets += sum(sum(chat.is_target) for chat in batch)
        self._n_tokens += sum(len(chat.ids) for chat in batch)
        seconds = time.monotonic() - self._started
        self._bar.set_postfix_str(
            f"loss {loss:.3f}, {self._n_targets / seconds:.0f} target tok/s, "
            f"{self._n_tokens / seconds:.0f} tok/s",
            refresh=False,
        )
        self._bar.update()

    def close(self) -> None:
        self._bar.close()


def _peak_memory(device: str) -> int:
    """Measure the most memory ever held, in bytes: the GPU's, else the process's (0 on Windows)."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
