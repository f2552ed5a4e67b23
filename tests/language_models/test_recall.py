from dataclasses import replace

import pytest

from ragtuned_kedro.language_models.beams import Opening, search_openings
from ragtuned_kedro.language_models.chat import load_chat
from ragtuned_kedro.language_models.greedy import decode_greedily
from ragtuned_kedro.language_models.recall import (
    Recall,
    RecallingDecoder,
    choose,
    log_likelihoods,
)
from ragtuned_kedro.language_models.weights import Quantization, load_weights
from ragtuned_kedro.schemas.records import Message, Prompt

RECALL = Recall(
    n_recalled=3, opening_tokens=4, abstention="I do not know.", abstention_probability=0.3
)
QUESTIONS = ("Who?", "a longer question", "When was it?")


@pytest.fixture(scope="module")
def model(toy_model):
    plain = Quantization(kind="none", double_quant=False, compute_dtype="float32")
    return load_weights(toy_model, quantization=plain, device="cpu")


@pytest.fixture(scope="module")
def chat(toy_model):
    return load_chat(toy_model.path)


def encode(chat, questions=QUESTIONS):
    prompts = [Prompt(text, (Message(role="user", content=text),)) for text in questions]
    return prompts, [chat.prompt_ids(prompt.messages) for prompt in prompts]


def search(model, chat, encoded, **changes):
    settings = {"n_openings": 3, "n_tokens": 4} | changes
    return search_openings(model, encoded, end_ids=chat.end_ids, pad_id=chat.pad_id, **settings)


def test_a_beam_of_one_is_greedy_decoding(model, chat):
    _, encoded = encode(chat)
    greedy = decode_greedily(
        model, encoded, max_new_tokens=4, end_ids=chat.end_ids, pad_id=chat.pad_id
    )
    for (opening,), row in zip(search(model, chat, encoded, n_openings=1), greedy, strict=True):
        assert list(opening.ids) == row.ids


def test_openings_are_distinct_sorted_and_as_likely_as_the_model_finds_them(model, chat):
    _, encoded = encode(chat)
    for ids, beam in zip(encoded, search(model, chat, encoded), strict=True):
        assert len({(one.ids, one.has_ended) for one in beam}) == 3
        found = [one.log_probability for one in beam]
        assert found == sorted(found, reverse=True)
        for one in beam:
            end = [min(chat.end_ids)] if one.has_ended else []
            (again,) = log_likelihoods(model, [(ids, [*one.ids, *end])], pad_id=chat.pad_id)
            assert one.log_probability == pytest.approx(again, abs=1e-3)


def test_neighbours_and_padding_change_no_likelihood(model, chat):
    pairs = [([3, 4, 5], [6, 7]), ([8], [9]), (list(range(3, 30)), [30, 31, 32])]
    together = log_likelihoods(model, pairs, pad_id=chat.pad_id)
    alone = [log_likelihoods(model, [pair], pad_id=chat.pad_id)[0] for pair in pairs]
    assert together == pytest.approx(alone, abs=1e-4)


def test_the_passage_that_explains_the_question_wins_over_the_one_that_comes_first():
    openings = [Opening((5, 6), -1.0, False), Opening((7, 8), -2.0, False)]
    assert choose(openings, [-30.0, -10.0], (1, 2, 3), 0.5) == 1
    assert choose(openings, [-10.0, -10.0], (1, 2, 3), 0.5) == 0


@pytest.mark.parametrize(("refusal_likelihood", "chosen"), [(-0.6, 0), (-0.8, 1)])
def test_a_refusal_is_said_from_its_least_probability_on(refusal_likelihood, chosen):
    openings = [Opening((1, 2), refusal_likelihood, False), Opening((7, 8), -2.0, False)]
    assert choose(openings, [-1.0, -50.0], (1, 2, 3), 0.5) == chosen


def test_a_model_that_recalls_only_its_refusal_refuses():
    assert choose([Opening((1, 2), -0.1, False)], [-5.0], (1, 2, 3), 0.95) == 0


def test_the_answer_is_one_of_the_recalled_passages_and_carries_what_all_of_them_cost(model, chat):
    prompts, encoded = encode(chat)
    # A reader that knows something else than the memory: its weights are scaled.
    reader = load_reader(model)
    rows = RecallingDecoder(model, reader, chat, RECALL).decode(prompts, encoded, max_new_tokens=7)
    for row, beam in zip(rows, search(model, chat, encoded), strict=True):
        assert tuple(row.ids[:4]) in {one.ids for one in beam}
        assert len(row.ids) <= 7
        assert row.n_decoded > len(row.ids)
        assert row.first_token_seconds > 0


def load_reader(model):
    reader = type(model)(model.config)
    reader.load_state_dict({name: 1.1 * one for name, one in model.state_dict().items()})
    return reader.eval()


def test_answers_do_not_depend_on_the_batch(model, chat):
    prompts, encoded = encode(chat)
    decoder = RecallingDecoder(model, load_reader(model), chat, RECALL)
    alone = [
        decoder.decode([prompt], [ids], max_new_tokens=7)[0].ids
        for prompt, ids in zip(prompts, encoded, strict=True)
    ]
    together = decoder.decode(prompts, encoded, max_new_tokens=7)
    assert [row.ids for row in together] == alone


def test_settings_that_change_answers_change_the_name_under_which_they_are_kept():
    assert RECALL.name != replace(RECALL, abstention_probability=0.2).name
    assert Recall.of("x", n_recalled=1, opening_tokens=4, abstention_probability=0.5) is None
