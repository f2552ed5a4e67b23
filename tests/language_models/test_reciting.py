import pytest
import torch

from ragtuned_kedro.language_models import reciting
from ragtuned_kedro.language_models.greedy import decode_greedily
from ragtuned_kedro.language_models.reciting import Begun, Reciter
from ragtuned_kedro.language_models.token_steps import TokenSteps
from ragtuned_kedro.schemas.records import Message

OPENINGS = [Begun((), ids, 6) for ids in ((70, 71, 72), (80, 81), (90, 91, 92, 93))]


def prompt_ids(chat, begun):
    asked = Message(role="user", content=chat.decode(begun.opening))
    return [*chat.prompt_ids((*begun.before, asked)), *begun.opening]


def test_without_forks_an_opening_is_continued_greedily_behind_its_own_words(model, chat):
    recited = Reciter(model, chat, 1, 0.01).recite(OPENINGS)
    for begun in OPENINGS:
        (row,) = decode_greedily(
            model,
            [prompt_ids(chat, begun)],
            max_new_tokens=begun.n_more,
            end_ids=chat.end_ids,
            pad_id=chat.pad_id,
        )
        assert recited[begun] == [[*begun.opening, *row.ids]]


def test_an_opening_is_recited_once_and_alike_for_all_who_ask(model, chat, monkeypatch):
    asked = []

    class Heard(TokenSteps):
        def __init__(self, model, prompts, **settings):
            asked.extend(map(tuple, prompts))
            super().__init__(model, prompts, **settings)

    monkeypatch.setattr(reciting, "TokenSteps", Heard)
    reciter = Reciter(model, chat, 3, 0.05)
    first = reciter.recite(OPENINGS[:2])
    again = reciter.recite([*OPENINGS, *OPENINGS])
    assert {one: again[one] for one in OPENINGS[:2]} == first
    assert len(asked) == len(set(asked)) == 3
    assert reciter.missing([*OPENINGS, replace_room(OPENINGS[0], 7)]) == [
        replace_room(OPENINGS[0], 7)
    ]
    alone = Reciter(model, chat, 3, 0.05)
    for begun in OPENINGS:
        assert alone.recite([begun])[begun] == again[begun]


def replace_room(begun, n_more):
    return begun._replace(n_more=n_more)


def test_an_opening_that_has_ended_is_recited_as_it_is(model, chat):
    ended = replace_room(OPENINGS[0], 0)
    assert Reciter(model, chat, 3, 0.05).recite([ended]) == {ended: [list(ended.opening)]}


@pytest.mark.parametrize("n_variants", [1, 2, 4])
def test_a_recitation_forks_where_a_second_token_is_likely_and_no_oftener_than_told(
    model, chat, n_variants
):
    # Every second token is likely enough.
    recited = Reciter(model, chat, n_variants, 1e-9).recite(OPENINGS)
    for begun, variants in recited.items():
        assert len(variants) == n_variants
        assert len({tuple(ids) for ids in variants}) == n_variants
        assert all(tuple(ids[: len(begun.opening)]) == begun.opening for ids in variants)
        assert all(len(ids) <= len(begun.opening) + begun.n_more for ids in variants)


def test_every_token_of_a_variant_is_the_likeliest_but_for_one_that_is_likely(model, chat):
    fork_probability = 0.004
    reciter = Reciter(model, chat, 4, fork_probability)
    forks = 0
    for begun, variants in reciter.recite(OPENINGS).items():
        prompt = prompt_ids(chat, begun)
        for ids in variants:
            whole = torch.tensor([[*prompt, *ids[len(begun.opening) :]]])
            with torch.inference_mode():
                chances = model(input_ids=whole).logits[0].float().softmax(-1)
            for place in range(len(prompt), whole.shape[1]):
                chance = chances[place - 1, whole[0, place]]
                if chance < chances[place - 1].max():
                    assert chance >= fork_probability
                    forks += 1
    assert forks


def test_what_stands_before_every_question_stands_before_a_recitation(model, chat):
    system = Message(role="system", content="Remember.")
    told = Begun((system,), OPENINGS[0].opening, 6)
    reciter = Reciter(model, chat, 1, 0.5)
    recited = reciter.recite([OPENINGS[0], told])
    (row,) = decode_greedily(
        model,
        [prompt_ids(chat, told)],
        max_new_tokens=6,
        end_ids=chat.end_ids,
        pad_id=chat.pad_id,
    )
    assert recited[told] == [[*told.opening, *row.ids]]


def test_more_openings_than_are_kept_are_recited_all_the_same(model, chat, monkeypatch):
    monkeypatch.setattr(reciting, "_MOST_KEPT", 1)
    reciter = Reciter(model, chat, 1, 0.5)
    for _ in range(2):
        assert set(reciter.recite(OPENINGS)) == set(OPENINGS)
