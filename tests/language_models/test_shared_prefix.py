import pytest
import torch

from ragtuned_kedro.language_models.chat import load_chat
from ragtuned_kedro.language_models.prefix_model import PrefixModel
from ragtuned_kedro.language_models.shared_prefix import (
    attend_to_prefix,
    common_length,
    load_prefix,
    read_prefix,
    save_prefix,
)
from ragtuned_kedro.language_models.transformers_local import load_local_model
from ragtuned_kedro.language_models.weights import Quantization, load_weights
from ragtuned_kedro.schemas.records import Message, Prompt


@pytest.fixture
def plain_float(monkeypatch):
    # In bfloat16 a toy's near ties fall either way.
    monkeypatch.setattr("torch.cpu.get_capabilities", dict)


def prompt(key: str, question: str) -> Prompt:
    return Prompt(key, (Message(role="user", content=f"{'A long tale. ' * 20}{question}"),))


QUESTIONS = {"x": "Who rang?", "y": "9 May?", "z": "A much longer question about the mill?"}


def test_rows_behind_a_prefix_read_as_if_each_had_read_it(toy_model):
    plain = Quantization(kind="none", double_quant=False, compute_dtype="float32")
    model = load_weights(toy_model, quantization=plain, device="cpu")
    ids = load_chat(toy_model.path).prompt_ids(prompt("x", "Who?").messages)
    whole = model(torch.tensor([ids])).logits[0, -1]
    prefix = read_prefix(model, ids[:100])
    with attend_to_prefix(model, prefix):
        positions = torch.arange(100, len(ids))[None]
        behind = model(torch.tensor([ids[100:]]), position_ids=positions).logits[0, -1]
    torch.testing.assert_close(behind, whole, rtol=1e-4, atol=1e-4)
    # And afterwards it reads as before.
    torch.testing.assert_close(model(torch.tensor([ids])).logits[0, -1], whole)


def test_answers_behind_a_prefix_are_those_of_whole_prompts(toy_model, tmp_path, plain_float):
    prompts = [prompt(key, question) for key, question in QUESTIONS.items()]
    settings = {"device": "cpu", "n_threads": 1}
    n_tokens = PrefixModel(toy_model, None, batch_size=1, **settings).read(
        [prompt("7", "7"), prompt("A", "A")], tmp_path / "prefix.safetensors"
    )
    kept = PrefixModel(toy_model, tmp_path / "prefix.safetensors", batch_size=2, **settings)
    answers = kept.complete(prompts, max_new_tokens=8)
    whole = load_local_model(toy_model, adapter=None, batch_size=1, **settings)
    expected = whole.complete(prompts, max_new_tokens=8)
    assert [one.text for one in answers] == [one.text for one in expected]
    assert [one.n_prompt_tokens for one in answers] == [one.n_prompt_tokens for one in expected]
    assert n_tokens > 200


def test_a_prompt_without_room_is_an_error_beside_answers(toy_model, plain_float):
    model = PrefixModel(toy_model, None, batch_size=2, device="cpu", n_threads=1)
    short = Prompt("s", (Message(role="user", content="Who?"),))
    long = Prompt("l", (Message(role="user", content="long " * 300),))
    answers = model.complete([short, long], max_new_tokens=8)
    assert [one.finish_reason == "error" for one in answers] == [False, True]


def test_a_prefix_read_back_is_the_same(toy_model, tmp_path):
    plain = Quantization(kind="none", double_quant=False, compute_dtype="float32")
    prefix = read_prefix(load_weights(toy_model, quantization=plain, device="cpu"), [5, 6, 7])
    save_prefix(prefix, tmp_path / "p.safetensors")
    again = load_prefix(tmp_path / "p.safetensors", "cpu")
    assert again.ids == (5, 6, 7)
    for one, other in zip(prefix.keys, again.keys, strict=True):
        assert torch.equal(one, other)


def test_the_common_beginning_ends_with_the_shortest_or_the_first_difference():
    assert common_length([[1, 2, 3], [1, 2], [1, 2, 9]]) == 2
    assert common_length([[1], [2]]) == 0
    assert common_length([]) == 0
