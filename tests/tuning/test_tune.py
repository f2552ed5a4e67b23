import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from ragtuned_kedro.language_models.adapter_folder import merge_adapter
from ragtuned_kedro.language_models.chat import load_chat
from ragtuned_kedro.language_models.openings import OPENINGS_FILE, read_openings
from ragtuned_kedro.language_models.rereading import token_log_probabilities
from ragtuned_kedro.language_models.transformers_local import load_local_model
from ragtuned_kedro.language_models.weights import Quantization, load_weights
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import BaseModelFolder, Message, Prompt, TrainingExample
from ragtuned_kedro.tuning.adapter import LoraShape, attach_adapter
from ragtuned_kedro.tuning.attention import AttentionPlan, Family
from ragtuned_kedro.tuning.train import Schedule
from ragtuned_kedro.tuning.tune import tune_adapter

ANSWERS = {"Who mended the clock?": "Odile.", "Who owns the shed?": "Teague.", "And?": "No."}
PLAIN = Quantization(kind="none", double_quant=False, compute_dtype="float32")
NF4 = Quantization(kind="nf4", double_quant=True, compute_dtype="float32")
LORA = LoraShape(lora_rank=8, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear")
OPENING_TOKENS = 3
SCHEDULE = Schedule(
    learning_rate=0.01,
    epochs=3.5,
    batch_size=4,
    warmup_share=0.1,
    final_learning_rate_share=0.1,
    weight_decay=0.0,
    max_grad_norm=1.0,
    checkpoint_every_steps=3,
    validate_every_steps=5,
    seed=1,
)


def make_examples(n: int = 18) -> list[TrainingExample]:
    chats = [
        (Message(role="user", content=query), Message(role="assistant", content=answer))
        for query, answer in ANSWERS.items()
    ]
    return [
        TrainingExample(
            example_id=f"example-{place}",
            qa_id=f"qa-{place}",
            split="validation" if place % 9 == 8 else "train",
            messages=chats[place % len(chats)],
            # More than the chats have, so that none is cut.
            n_tokens=512,
            n_target_tokens=256,
        )
        for place in range(n)
    ]


def tune(base_model: BaseModelFolder, workspace: Path, **changes: object) -> tuple[Path, object]:
    settings = {
        "quantization": PLAIN,
        "lora": LORA,
        "schedule": SCHEDULE,
        "opening_tokens": OPENING_TOKENS,
        "n_threads": 2,
    } | changes
    return tune_adapter(make_examples(), base_model, workspace=workspace, device="cpu", **settings)


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_training_twice_gives_the_same_bytes(toy_model, tmp_path, dropout):
    lora = dataclasses.replace(LORA, lora_dropout=dropout)
    first, first_log = tune(toy_model, tmp_path / "first", lora=lora)
    second, second_log = tune(toy_model, tmp_path / "second", lora=lora)
    assert folder_bytes(first) == folder_bytes(second)
    measured = ["seconds", "peak_memory_bytes"]
    assert first_log.drop(columns=measured).equals(second_log.drop(columns=measured))


def test_a_fraction_of_an_epoch_is_a_fraction_of_its_steps(toy_model, tmp_path):
    _, log = tune(toy_model, tmp_path)
    steps = log[log["split"] == "train"]
    assert steps["step"].tolist() == list(range(1, 15))  # 16 examples in 4 batches, 3.5 times
    assert steps["epoch"].iloc[-1] == 3.5
    assert set(log.loc[log["split"] == "validation", "step"]) == {5, 10, 14}


def test_the_loss_falls(toy_model, tmp_path):
    _, log = tune(toy_model, tmp_path, schedule=dataclasses.replace(SCHEDULE, epochs=20))
    for _, losses in log.groupby("split")["loss"]:
        assert losses.iloc[-1] < losses.iloc[0] / 2


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_killed_run_ends_like_an_uninterrupted_one(toy_model, tmp_path, dropout):
    lora = dataclasses.replace(LORA, lora_dropout=dropout)
    whole, whole_log = tune(toy_model, tmp_path / "whole", lora=lora)
    kill_after_a_checkpoint(toy_model, tmp_path / "killed", dropout)
    assert not list((tmp_path / "killed").glob("*/adapter"))
    resumed, resumed_log = tune(toy_model, tmp_path / "killed", lora=lora)
    assert folder_bytes(whole) == folder_bytes(resumed)
    assert whole_log["loss"].equals(resumed_log["loss"])
    assert resumed_log["seconds"].is_monotonic_increasing


def kill_after_a_checkpoint(base_model: BaseModelFolder, workspace: Path, dropout: float) -> None:
    """Tune in a process of its own, which is killed once its first checkpoint is there."""
    code = f"""
import dataclasses, time
from pathlib import Path
from ragtuned_kedro.schemas.records import BaseModelFolder
from ragtuned_kedro.tuning import train
from tests.tuning.test_tune import LORA, tune

# Slow enough to be killed in the middle.
take_step = train._take_step
def slow_step(*given, **named):
    time.sleep(0.15)
    return take_step(*given, **named)
train._take_step = slow_step
lora = dataclasses.replace(LORA, lora_dropout={dropout})
tune({base_model!r}, Path({str(workspace)!r}), lora=lora)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    try:
        deadline = time.monotonic() + 120
        while not list(workspace.glob("*/checkpoint.safetensors")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_finished_request_is_not_worked_on_again(toy_model, tmp_path, caplog):
    first, first_log = tune(toy_model, tmp_path)
    written = (first / "adapter_model.safetensors").stat().st_mtime_ns
    with caplog.at_level(logging.INFO):
        again, again_log = tune(toy_model, tmp_path)
    assert again == first
    assert (again / "adapter_model.safetensors").stat().st_mtime_ns == written
    assert again_log.equals(first_log)
    assert "adapter unchanged, tuning skipped" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"quantization": NF4},
        {"lora": dataclasses.replace(LORA, lora_alpha=8)},
        {"lora": dataclasses.replace(LORA, first_layer=1)},
        {"schedule": dataclasses.replace(SCHEDULE, seed=2)},
    ],
)
def test_a_changed_setting_is_another_request(toy_model, tmp_path, changes):
    assert tune(toy_model, tmp_path)[0] != tune(toy_model, tmp_path, **changes)[0]


def test_saving_more_often_is_the_same_request(toy_model, tmp_path):
    often = dataclasses.replace(SCHEDULE, checkpoint_every_steps=1)
    assert tune(toy_model, tmp_path)[0] == tune(toy_model, tmp_path, schedule=often)[0]


def test_layers_below_the_first_carry_no_adapter(toy_model, tmp_path):
    folder, _ = tune(toy_model, tmp_path, lora=dataclasses.replace(LORA, first_layer=1))
    names = load_file(folder / "adapter_model.safetensors")
    assert names
    assert all(".layers.1." in name for name in names)


def test_examples_that_are_all_held_out_are_the_users_to_fix(toy_model, tmp_path):
    held_out = [one.model_copy(update={"split": "validation"}) for one in make_examples()]
    with pytest.raises(UserError, match="validation_share"):
        tune_adapter(
            held_out,
            toy_model,
            workspace=tmp_path,
            quantization=PLAIN,
            lora=LORA,
            schedule=SCHEDULE,
            opening_tokens=OPENING_TOKENS,
        )


def test_without_examples_the_adapter_changes_nothing(toy_model, tmp_path):
    settings = {
        "quantization": PLAIN,
        "lora": LORA,
        "schedule": SCHEDULE,
        "opening_tokens": OPENING_TOKENS,
    }
    folder, log = tune_adapter([], toy_model, workspace=tmp_path, **settings)
    assert len(log) == 0
    deltas = load_file(folder / "adapter_model.safetensors")
    assert not any(one.any() for name, one in deltas.items() if "lora_B" in name)
    assert read_openings(folder).next_after(()) is None
    assert tune_adapter([], toy_model, workspace=tmp_path, **settings)[0] == folder


def test_an_adapter_keeps_how_the_answers_began_that_it_was_taught(toy_model, tmp_path):
    chat = load_chat(toy_model.path)
    ends = sorted(chat.end_ids)
    taught = [one for one in make_examples() if one.split == "train"]
    answers = {one.messages[-1].content for one in taught}
    expected = set()
    for text in answers:
        ids = (*chat.tokenizer(text, add_special_tokens=False)["input_ids"], ends[0])
        expected.add(ids[:OPENING_TOKENS])
    folder, _ = tune(toy_model, tmp_path)
    kept = json.loads((folder / OPENINGS_FILE).read_text())
    assert {tuple(one) for one in kept} == expected
    assert kept == sorted(kept)
    longer, _ = tune(toy_model, tmp_path, opening_tokens=OPENING_TOKENS + 1)
    assert longer != folder


def test_the_tuned_model_answers_what_it_was_taught_from_nf4_weights(toy_model, tmp_path):
    schedule = dataclasses.replace(SCHEDULE, epochs=60)
    folder, _ = tune(toy_model, tmp_path, quantization=NF4, schedule=schedule)
    model = load_local_model(toy_model, adapter=folder, batch_size=2, device="cpu", n_threads=1)
    prompts = [Prompt(query, (Message(role="user", content=query),)) for query in ANSWERS]
    completions = model.complete(prompts, max_new_tokens=20)
    assert {one.key: one.text for one in completions} == ANSWERS
    assert {one.finish_reason for one in completions} == {"stop"}


def test_on_weights_that_stay_packed_an_adapter_is_read_like_a_merged_one(toy_model, tmp_path):
    """As on a GPU, where four-bit weights stay packed and the adapter is laid onto them."""
    folder, _ = tune(toy_model, tmp_path)
    pairs = [((3, 4, 5), (6, 7)), ((9,), (8, 3, 4))]
    told = []
    for stays_packed in (False, True):
        weights = load_weights(toy_model, quantization=PLAIN, device="cpu")
        weights.is_loaded_in_4bit = stays_packed
        model = merge_adapter(weights, folder)
        told.append(token_log_probabilities(model, pairs, pad_id=0))
    for merged, laid_on in zip(*told, strict=True):
        torch.testing.assert_close(laid_on, merged, rtol=1e-4, atol=1e-5)


def test_four_bits_leave_sixteen_values_per_block_of_a_weight(toy_model):
    model = load_weights(toy_model, quantization=NF4, device="cpu")
    block = model.model.layers[0].mlp.up_proj.weight.flatten()[:64]
    assert len(block.unique()) <= 16


def test_the_fused_layer_computes_what_peft_computes(toy_model, tmp_path):
    folder, _ = tune(toy_model, tmp_path)
    ids = torch.arange(3, 40)[None]
    fused = attach_adapter(load_weights(toy_model, quantization=PLAIN, device="cpu"), LORA, seed=0)
    weights = load_file(folder / "adapter_model.safetensors")
    for name, weight in fused.named_parameters():
        if weight.requires_grad:
            weight.data.copy_(weights[name.replace(".default", "")])
    plain = PeftModel.from_pretrained(
        load_weights(toy_model, quantization=PLAIN, device="cpu"), folder, is_trainable=True
    )
    outputs = []
    alone = AttentionPlan([Family(range(37), ())], 37)
    for model, known in ((fused, {"plan": alone}), (plain, {})):
        logits = model(input_ids=ids, use_cache=False, **known).logits
        logits.square().mean().backward()
        gradients = {
            name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad
        }
        outputs.append((logits, gradients))
    (fused_logits, fused_gradients), (plain_logits, plain_gradients) = outputs
    # The norm adds up in another order.
    torch.testing.assert_close(fused_logits, plain_logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fused_gradients, plain_gradients, rtol=1e-3, atol=1e-4)
