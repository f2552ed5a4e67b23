import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest

from ragtuned_kedro.language_models.reciting import recited_by
from ragtuned_kedro.language_models.transformers_local import load_local_model
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import BaseModelFolder, Completion, Message, Prompt
from tests.language_models.test_recall import RECALL


def ask(base_model: BaseModelFolder, texts: list[str], **changes: Any) -> list[Completion]:
    settings = {"batch_size": 2, "n_threads": 2} | changes
    model = load_local_model(base_model, adapter=None, device="cpu", **settings)
    prompts = [Prompt(text, (Message(role="user", content=text),)) for text in texts]
    return model.complete(prompts, max_new_tokens=8)


TEXTS = ["a much longer question than the others", "short", "middling one", "b", "cc"]


def test_completions_keep_the_order_of_the_prompts_and_their_budget(toy_model):
    completions = ask(toy_model, TEXTS)
    assert [one.key for one in completions] == TEXTS
    for one in completions:
        assert one.n_completion_tokens <= 8
        assert (one.finish_reason == "length") == (one.n_completion_tokens == 8)
        assert one.seconds > 0


def test_neighbours_in_a_batch_do_not_change_an_answer(toy_model):
    alone = [ask(toy_model, [text])[0].text for text in TEXTS]
    assert [one.text for one in ask(toy_model, TEXTS, batch_size=5, n_threads=1)] == alone


def test_greedy_decoding_is_that_of_transformers(toy_model, monkeypatch):
    import torch

    from ragtuned_kedro.language_models.chat import load_chat
    from ragtuned_kedro.language_models.weights import Quantization, load_weights

    # In bfloat16 a toy's near ties fall either way.
    monkeypatch.setattr("torch.cpu.get_capabilities", dict)
    chat = load_chat(toy_model.path)
    plain = Quantization(kind="none", double_quant=False, compute_dtype="float32")
    model = load_weights(toy_model, quantization=plain, device="cpu")
    prompt = chat.prompt_ids((Message(role="user", content="short"),))
    expected = model.generate(torch.tensor([prompt]), max_new_tokens=8, do_sample=False)
    assert ask(toy_model, ["short"])[0].text == chat.decode(expected[0, len(prompt) :])


def test_a_prompt_that_does_not_fit_is_an_error_row_beside_answers(toy_model):
    completions = ask(toy_model, ["short", "long " * 300])
    assert [one.finish_reason == "error" for one in completions] == [False, True]
    assert "context has room for" in (completions[1].error or "")


def test_an_adapter_that_is_not_there_is_the_users_to_fix(toy_model, tmp_path):
    with pytest.raises(UserError, match="no adapter"):
        load_local_model(
            toy_model, adapter=tmp_path / "none", batch_size=1, device="cpu", n_threads=1
        )


def test_no_prompts_are_no_work(toy_model):
    assert ask(toy_model, []) == []


def test_weights_are_gone_as_soon_as_their_system_is(toy_model):
    loaded = load_local_model(toy_model, adapter=None, batch_size=2, device="cpu", n_threads=2)
    loaded.complete([Prompt("a", (Message(role="user", content="b"),))], max_new_tokens=2)
    weights = weakref.ref(loaded._decoder.model)
    # A cycle would keep them until the collector happens to run.
    gc.disable()
    try:
        del loaded
        assert weights() is None
    finally:
        gc.enable()


def test_what_one_system_has_recited_is_not_recited_again_for_the_next(toy_model):
    recall = replace(RECALL, abstention_probability=1.0)
    recited_by.cache_clear()
    first, again = (ask(toy_model, TEXTS, recall=recall) for _ in range(2))
    assert [one.text for one in again] == [one.text for one in first]
    n_first, n_again = (sum(one.n_completion_tokens for one in row) for row in (first, again))
    assert n_again < n_first
    # Another way of reciting is another memory of what was recited.
    other = ask(toy_model, TEXTS, recall=replace(recall, fork_probability=0.3))
    assert sum(one.n_completion_tokens for one in other) > n_again
