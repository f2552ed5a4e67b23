import math

import pytest
import torch

from ragtuned_kedro.language_models.rereading import (
    Found,
    Reading,
    Recalled,
    find_sentences,
    say_best,
    split_sentences,
)


@pytest.mark.parametrize(
    "text",
    [
        "One came. Two left! Who stayed?",
        "He said: \u201cStay.\u201d She stayed for 3.5 hours.",
        "No mark at the end",
        "It cost 2.40 pounds. 30 people paid.",
    ],
)
def test_sentences_joined_are_the_text(text):
    assert " ".join(split_sentences(text)) == text


def test_a_sentence_ends_at_its_mark_and_not_within_a_number():
    assert split_sentences("It took 3.5 hours. Then we ate.") == [
        "It took 3.5 hours.",
        "Then we ate.",
    ]
    assert split_sentences('She said "Go." He went.') == ['She said "Go."', "He went."]


def reading(*probabilities, told=0.0):
    return Reading(torch.tensor(probabilities).log(), told)


def find(passages, of_passages, of_sentences, weight=0.0):
    return find_sentences(passages, of_passages, of_sentences, sentence_told_weight=weight)


def test_a_word_may_be_explained_by_the_sentence_or_by_what_stands_around_it():
    passages = [Recalled("Ada came. It rained.", -1.0)]
    found = find(passages, [reading(0.5, 0.5)], [[reading(0.5, 0.1), reading(0.1, 0.1)]])
    assert [one.text for one in found] == ["Ada came.", "It rained."]
    expected = -1.0 + math.log(0.5) + math.log(0.3)
    assert found[0].score == pytest.approx(expected, abs=1e-5)


def test_the_sentence_that_explains_the_question_wins_over_the_passage_that_came_first():
    passages = [Recalled("First.", -1.0), Recalled("Second.", -2.0)]
    weak, strong = reading(0.01), reading(0.5)
    found = find(passages, [weak, strong], [[weak], [strong]])
    assert [one.text for one in found] == ["Second.", "First."]
    found = find(passages, [weak, weak], [[weak], [weak]])
    assert [one.text for one in found] == ["First.", "Second."]


def test_the_sentence_that_tells_the_answer_wins_as_far_as_the_reader_is_heard():
    passages = [Recalled("It rained. Ada came.", -1.0)]
    alone = [reading(0.5, told=-1.0), reading(0.4, told=2.0)]
    heard = find(passages, [reading(0.5)], [alone], weight=0.5)
    assert [one.text for one in heard] == ["Ada came.", "It rained."]
    assert heard[0].score == pytest.approx(-1.0 + math.log(0.45) + 0.5 * 2.0, abs=1e-5)
    unheard = find(passages, [reading(0.5)], [alone])
    assert [one.text for one in unheard] == ["It rained.", "Ada came."]


def test_a_sentence_of_two_passages_is_found_once_by_its_better_one():
    passages = [Recalled("Same.", -3.0), Recalled("Same.", -1.0)]
    (found,) = find(passages, [reading(0.5)] * 2, [[reading(0.5)]] * 2)
    assert found.passage == 1


FOUND = [
    Found("The mill burnt.", 1, 2, -1.0),
    Found("Ada saw it.", 0, 0, -2.0),
    Found("It was late.", 1, 0, -3.0),
]


def test_the_best_sentences_that_fit_are_said_and_the_others_left_out():
    assert say_best(FOUND, [4, 4, 4], 8) == "The mill burnt. Ada saw it."
    assert say_best(FOUND, [4, 9, 4], 8) == "It was late. The mill burnt."
    assert say_best(FOUND, [9, 4, 4], 8) == "The mill burnt."


def test_sentences_of_one_passage_keep_its_order_and_the_best_passage_comes_first():
    assert say_best(FOUND, [1, 1, 1], 8) == "It was late. The mill burnt. Ada saw it."


def test_nothing_is_said_twice():
    again = Found("The mill burnt, it burnt.", 2, 0, -1.5)
    assert say_best([FOUND[0], again], [1, 1], 8) == "The mill burnt."
