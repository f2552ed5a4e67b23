import pytest

from ragtuned_kedro.language_models.chat import load_chat
from ragtuned_kedro.language_models.following import decode_along
from ragtuned_kedro.language_models.greedy import decode_greedily
from ragtuned_kedro.language_models.weights import Quantization, load_weights

PROMPTS = [[3, 4, 5, 6], [7, 8], [9, 10, 11]]


@pytest.fixture(scope="module")
def decoding(toy_model):
    """The toy, and an end token that it says, so that some answers end early."""
    plain = Quantization(kind="none", double_quant=False, compute_dtype="float32")
    model = load_weights(toy_model, quantization=plain, device="cpu")
    settings = {"max_new_tokens": 9, "pad_id": load_chat(toy_model.path).pad_id}
    said = decode_greedily(model, PROMPTS, end_ids=frozenset(), **settings)
    return model, settings | {"end_ids": frozenset({said[1].ids[4]})}


def bend(ids: list[int]) -> list[list[int]]:
    """Drafts that are right, wrong from some token on, too long, and none."""
    return [ids, [*ids[:2], ids[2] + 1, *ids[3:]], [ids[0] + 1], [*ids, 5, 6, 7], []]


@pytest.mark.parametrize("kind", range(5))
def test_whatever_the_draft_the_answer_is_that_of_greedy_decoding(decoding, kind):
    model, settings = decoding
    expected = decode_greedily(model, PROMPTS, **settings)
    drafts = [bend([*row.ids, *([min(settings["end_ids"])] * row.has_ended)]) for row in expected]
    followed = decode_along(model, PROMPTS, [draft[kind] for draft in drafts], **settings)
    assert [row.ids for row in followed] == [row.ids for row in expected]
    assert [row.has_ended for row in followed] == [row.has_ended for row in expected]
    assert any(row.has_ended for row in expected)


def test_a_right_draft_is_confirmed_without_a_step_of_decoding(decoding, monkeypatch):
    model, settings = decoding
    expected = decode_greedily(model, PROMPTS, **settings)
    ends = [[min(settings["end_ids"])] * row.has_ended for row in expected]
    steps = []

    def count(model, prompts, **given):
        steps.extend(prompts)
        return []

    monkeypatch.setattr("ragtuned_kedro.language_models.following.decode_greedily", count)
    drafts = [[*row.ids, *end] for row, end in zip(expected, ends, strict=True)]
    assert [row.ids for row in decode_along(model, PROMPTS, drafts, **settings)] == [
        row.ids for row in expected
    ]
    assert not steps
