"""The reader's adapter: taught what a passage tells, and laid beside the one that remembers."""

import os
import shutil
from pathlib import Path

import pandas as pd

from ragtuned_kedro.language_models.adapter_folder import READER, read_adapter_card
from ragtuned_kedro.language_models.chat import load_chat
from ragtuned_kedro.language_models.readers import answer_ids, lesson_ids
from ragtuned_kedro.language_models.weights import Quantization
from ragtuned_kedro.schemas.ids import fingerprint
from ragtuned_kedro.schemas.records import BaseModelFolder
from ragtuned_kedro.tuning.adapter import LoraShape
from ragtuned_kedro.tuning.train import Schedule
from ragtuned_kedro.tuning.tune import tune_chats, write_card


def tune_reader(
    questions: pd.DataFrame,
    base_model: BaseModelFolder,
    *,
    workspace: Path,
    lora: LoraShape,
    schedule: Schedule,
    device: str = "auto",
    n_threads: int = 0,
) -> tuple[Path, pd.DataFrame]:
    """Tune an adapter that tells whether a passage answers a question; otherwise `tune_adapter`.

    `questions` are ReadingQuestions. The weights beneath are not rounded to four bits: a reader
    reads with the base model's own.

    Raises:
        UserError: If the device is not there.
    """
    chat = load_chat(base_model.path)
    lessons = [
        (
            "train",
            lesson_ids(chat, passage, list(zip(asked["text"], asked["is_told"], strict=True))),
        )
        for (_, passage), asked in questions.groupby(["example_id", "passage"])
    ]
    return tune_chats(
        lessons,
        base_model,
        workspace=workspace,
        quantization=Quantization(kind="none", double_quant=False, compute_dtype="auto"),
        lora=lora,
        schedule=schedule,
        opening_tokens=0,
        device=device,
        n_threads=n_threads,
        pad_id=chat.pad_id,
        what="reader",
        among=answer_ids(chat),
    )


def add_reader(adapter: Path, reader: Path) -> Path:
    """Lay a reader's folder beside the weights of an adapter; the two get a name of their own.

    One that was taught nothing is left out: the base model as it is reads as well.
    """
    card, taught = read_adapter_card(adapter), read_adapter_card(reader)
    if not taught.n_examples:
        return adapter
    both = fingerprint([card.adapter_id, taught.adapter_id])[:16]
    folder = adapter.parent / f"with-{taught.adapter_id}"
    if folder.exists():
        return folder
    unfinished = folder.with_suffix(".tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(adapter, unfinished)
    shutil.copytree(reader, unfinished / READER)
    named = {"adapter_id": f"adapter-{both}", "reader_id": taught.adapter_id}
    write_card(card.model_copy(update=named), unfinished)
    os.replace(unfinished, folder)
    return folder
