"""Laws of the reader's adapter: it learns to tell, and lies beside the adapter that remembers."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from ragtuned_kedro.language_models.adapter_folder import (
    READER,
    merge_adapter,
    read_adapter_card,
)
from ragtuned_kedro.language_models.chat import load_chat
from ragtuned_kedro.language_models.readers import Reader
from ragtuned_kedro.language_models.recall import Recall
from ragtuned_kedro.language_models.transformers_local import load_local_model
from ragtuned_kedro.language_models.weights import load_weights
from ragtuned_kedro.schemas.records import BaseModelFolder, Message, Prompt
from ragtuned_kedro.schemas.synthesis_tables import ReadingQuestions
from ragtuned_kedro.schemas.tables import frame_of
from ragtuned_kedro.tuning.reader import add_reader, tune_reader
from tests.tuning.test_tune import LORA, PLAIN, SCHEDULE, folder_bytes, tune

NAMES = ("Ada", "Odile", "Teague", "Nell")
RECALL = Recall(
    n_recalled=2,
    opening_tokens=3,
    keeps_to_taught_openings=True,
    n_variants=2,
    fork_probability=0.2,
    n_read=2,
    opening_weight=0.0,
    told_weight=1.0,
    sentence_told_weight=1.0,
    abstention="I do not know.",
    abstention_probability=1.0,
    asks_with_fewer_words=False,
    refuses_unknown_names=False,
)


def make_questions(n_questions: int = 2) -> pd.DataFrame:
    """Ask of a passage about one name who it is about: about that one, and about another."""
    rows = [
        {
            "example_id": f"reading-{place}",
            "position": position,
            "passage": f"{name} came.",
            "kind": "local" if position == 0 else "elsewhere",
            "text": f"Who is {NAMES[(place + position) % len(NAMES)]}?",
            "is_told": position == 0,
        }
        for place, name in enumerate(NAMES)
        for position in range(n_questions)
    ]
    return frame_of(ReadingQuestions, rows)


def tune_to_read(
    base_model: BaseModelFolder, workspace: Path, questions: pd.DataFrame, epochs: float = 1.0
) -> Path:
    schedule = dataclasses.replace(SCHEDULE, epochs=epochs, batch_size=2)
    return tune_reader(
        questions,
        base_model,
        workspace=workspace,
        lora=LORA,
        schedule=schedule,
        device="cpu",
        n_threads=2,
    )[0]


def test_a_reader_learns_which_questions_a_passage_answers(toy_model, tmp_path):
    folder = tune_to_read(toy_model, tmp_path, make_questions(), epochs=30)
    weights = load_weights(toy_model, quantization=PLAIN, device="cpu")
    reader = Reader(merge_adapter(weights, folder), load_chat(toy_model.path), is_taught=True)
    asked = make_questions()
    told = reader.read(zip(asked["text"], asked["passage"], strict=True))
    for row in asked.itertuples():
        assert (told[row.text, row.passage].told > 0) == row.is_told


def test_teaching_twice_gives_the_same_bytes_and_other_questions_another_reader(
    toy_model, tmp_path
):
    first = tune_to_read(toy_model, tmp_path / "first", make_questions())
    again = tune_to_read(toy_model, tmp_path / "again", make_questions())
    assert folder_bytes(first) == folder_bytes(again)
    other = tune_to_read(toy_model, tmp_path / "first", make_questions(1))
    assert other != first


def test_a_reader_beside_the_adapter_gives_the_two_a_name_and_leaves_the_weights(
    toy_model, tmp_path
):
    adapter, _ = tune(toy_model, tmp_path)
    reader = tune_to_read(toy_model, tmp_path, make_questions())
    both = add_reader(adapter, reader)
    assert add_reader(adapter, reader) == both
    alone, card = read_adapter_card(adapter), read_adapter_card(both)
    assert card.reader_id == read_adapter_card(both / READER).adapter_id
    assert card.adapter_id not in {alone.adapter_id, card.reader_id}
    weights = "adapter_model.safetensors"
    assert (both / weights).read_bytes() == (adapter / weights).read_bytes()
    assert folder_bytes(both / READER) == folder_bytes(reader)


def test_a_reader_that_was_taught_nothing_is_left_out(toy_model, tmp_path):
    adapter, _ = tune(toy_model, tmp_path)
    reader = tune_to_read(toy_model, tmp_path, make_questions(0))
    assert add_reader(adapter, reader) == adapter
    assert read_adapter_card(adapter).reader_id is None


@pytest.mark.parametrize("is_taught", [False, True])
def test_a_tuned_model_reads_with_the_reader_that_lies_beside_it(toy_model, tmp_path, is_taught):
    adapter, _ = tune(toy_model, tmp_path)
    if is_taught:
        adapter = add_reader(adapter, tune_to_read(toy_model, tmp_path, make_questions()))
    model = load_local_model(
        toy_model, adapter=adapter, batch_size=2, device="cpu", n_threads=1, recall=RECALL
    )
    assert read_adapter_card(adapter).adapter_id in model.model_id
    prompt = Prompt("a", (Message(role="user", content="Who mended the clock?"),))
    (said,) = model.complete([prompt], max_new_tokens=20)
    assert said.finish_reason in {"stop", "length"}
    assert model._decoder.reader.is_taught == is_taught
