"""From training examples to an adapter folder; the same request is worked on only once."""

import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

import pandas as pd

from ragtuned_kedro.language_models.adapter_folder import ADAPTER_CARD
from ragtuned_kedro.language_models.chat import TokenizedChat, load_chat
from ragtuned_kedro.language_models.openings import write_openings
from ragtuned_kedro.language_models.weights import (
    Quantization,
    choose_device,
    choose_dtype,
    load_weights,
)
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.ids import fingerprint
from ragtuned_kedro.schemas.records import AdapterCard, BaseModelFolder, TrainingExample
from ragtuned_kedro.schemas.tables import TrainingLog, frame_of
from ragtuned_kedro.tuning.adapter import LoraShape, attach_adapter, write_adapter
from ragtuned_kedro.tuning.train import Row, Schedule, train

_LOG_FILE = "training_log.json"
_CHECKPOINT_FILE = "checkpoint.safetensors"
_SPLITS = ("train", "validation")

logger = logging.getLogger(__name__)


def tune_adapter(
    examples: Sequence[TrainingExample],
    base_model: BaseModelFolder,
    *,
    workspace: Path,
    quantization: Quantization,
    lora: LoraShape,
    schedule: Schedule,
    opening_tokens: int,
    device: str = "auto",
    n_threads: int = 0,
) -> tuple[Path, pd.DataFrame]:
    """Tune a LoRA adapter on the answers of `examples`; return its folder and the TrainingLog.

    The work lies in `<workspace>/<fingerprint>/`, where the fingerprint covers the tokens of the
    examples, the base model's weights and every setting that changes the result. An interrupted
    run goes on from its last checkpoint; a finished one is returned as it is. `n_threads` of 0
    leaves their number to torch. Without any example the adapter is the one that training starts
    from, which changes nothing. Beside the weights lie the openings of the answers, their first
    `opening_tokens` tokens, by which a model that recalls keeps to what it was taught.

    Raises:
        UserError: If all examples are held out, or the device is not there.
    """
    chat = load_chat(base_model.path)
    chats = [(one.split, chat.example_ids(one.messages).first(one.n_tokens)) for one in examples]
    if chats and not any(split == "train" for split, _ in chats):
        raise UserError("no training example has the split train; lower examples.validation_share")
    if not chats:
        # The ledger says why; what the other systems answer is still worth a report.
        logger.warning("No training examples: the adapter learns nothing. See synthesis_ledger")
    return tune_chats(
        chats,
        base_model,
        workspace=workspace,
        quantization=quantization,
        lora=lora,
        schedule=schedule,
        opening_tokens=opening_tokens,
        device=device,
        n_threads=n_threads,
        pad_id=chat.pad_id,
        what="adapter",
    )


def tune_chats(
    chats: Sequence[tuple[str, TokenizedChat]],
    base_model: BaseModelFolder,
    *,
    workspace: Path,
    quantization: Quantization,
    lora: LoraShape,
    schedule: Schedule,
    opening_tokens: int,
    device: str,
    n_threads: int,
    pad_id: int,
    what: str,
    among: tuple[int, ...] = (),
) -> tuple[Path, pd.DataFrame]:
    """Tune `what` (an adapter, a reader) on chats, each with its split, as `tune_adapter` does.

    With `opening_tokens` of 0 no openings are kept. With `among` all targets are some of these
    tokens, and the model learns to choose among them.
    """
    device = choose_device(device)
    quantization = replace(
        quantization, compute_dtype=choose_dtype(quantization.compute_dtype, device)
    )
    train_chats = [one for split, one in chats if split == "train"]
    examples_sha = fingerprint(
        [
            (split, one.ids, one.is_target, *([one.branches] if one.branches else []))
            for split, one in chats
        ]
    )
    request = {
        "examples": examples_sha,
        "base_model": base_model.revision,
        "quantization": asdict(quantization),
        "lora": asdict(lora),
        # How often the run is saved does not change what it comes to.
        "schedule": asdict(schedule) | {"checkpoint_every_steps": None},
        "opening_tokens": opening_tokens,
        "device": device,
    } | ({"among": among} if among else {})
    folder = workspace / fingerprint(request)[:16]
    if (folder / "adapter").exists():
        logger.info("%s unchanged, tuning skipped (%s)", what, folder.name)
        return folder / "adapter", _read_log(folder)
    if (folder / _CHECKPOINT_FILE).exists():
        logger.info("tuning goes on from the checkpoint in %s", folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = load_weights(base_model, quantization=quantization, device=device)
    model = attach_adapter(weights, lora, schedule.seed)
    log: list[Row] = []
    if chats:
        log = train(
            model,
            train_chats,
            [one for split, one in chats if split == "validation"],
            schedule,
            pad_id=pad_id,
            n_threads=n_threads,
            checkpoint=folder / _CHECKPOINT_FILE,
            what=what,
            among=among,
        )
    losses = {split: [row["loss"] for row in log if row["split"] == split] for split in _SPLITS}
    card = AdapterCard(
        adapter_id=f"{what}-{folder.name}",
        base_model_id=base_model.model_id,
        base_model_revision=base_model.revision,
        lora_rank=lora.lora_rank,
        lora_alpha=lora.lora_alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=tuple(sorted(model.peft_config["default"].target_modules)),
        first_layer=lora.first_layer,
        quantization=quantization.name,
        compute_dtype=quantization.compute_dtype,
        seed=schedule.seed,
        epochs=schedule.epochs,
        n_examples=len(train_chats),
        n_target_tokens=sum(sum(chat.is_target) for chat in train_chats),
        training_examples_sha=examples_sha,
        # One batch says little, so the last twenty are averaged.
        final_train_loss=fmean(losses["train"][-20:]) if losses["train"] else None,
        final_validation_loss=losses["validation"][-1] if losses["validation"] else None,
    )
    openings = [one.target_ids()[:opening_tokens] for one in train_chats]
    _finish(folder, model, card, openings if opening_tokens else None, log)
    return folder / "adapter", _read_log(folder)


def _finish(
    folder: Path,
    model: object,
    card: AdapterCard,
    openings: Sequence[Sequence[int]] | None,
    log: list[Row],
) -> None:
    """Write log and adapter; the folder `adapter` appears last and whole, or not at all."""
    unfinished = folder / "adapter.tmp"
    shutil.rmtree(unfinished, ignore_errors=True)
    write_adapter(model, unfinished, base_model_id=card.base_model_id)
    if openings is not None:
        write_openings(openings, unfinished)
    write_card(card, unfinished)
    (folder / _LOG_FILE).write_text(json.dumps(log))
    os.replace(unfinished, folder / "adapter")
    # It is three times the adapter's size and of no more use.
    (folder / _CHECKPOINT_FILE).unlink(missing_ok=True)


def write_card(card: AdapterCard, folder: Path) -> None:
    """Write the card of an adapter into its folder."""
    (folder / ADAPTER_CARD).write_text(card.model_dump_json(indent=2) + "\n")


def _read_log(folder: Path) -> pd.DataFrame:
    return frame_of(TrainingLog, json.loads((folder / _LOG_FILE).read_text()))
