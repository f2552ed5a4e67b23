"""Laws of the questions that teach a reader."""

import re
from pathlib import Path

import pandas as pd
import pytest

from ragtuned_kedro.synthesis.gates import normalise
from ragtuned_kedro.synthesis.reading import person_test, read_sentences, types_of_names
from ragtuned_kedro.synthesis.reading_questions import (
    Portion,
    ask_about_passages,
    nearest_passages,
)
from ragtuned_kedro.synthesis.untold import ask_untold
from tests.conftest import Village, word_spans

OPEN = ["attribute", "circumstance", "detail"]
PORTION = Portion(n_rounds=3, n_told=2, n_untold=3, n_elsewhere=1)


def make(
    village: Village, *, portion: Portion = PORTION, evaluation: list[str] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    return ask_about_passages(
        village.documents,
        village.sentences,
        village.entity_mentions,
        village.entities,
        evaluation or [],
        village.nlp,
        word_spans,
        portion=portion,
        max_answer_tokens=60,
        decontamination_similarity=0.9,
        seed=5,
    )


@pytest.fixture(scope="module")
def questions(village) -> pd.DataFrame:
    return make(village)[0]


def test_every_sort_is_asked_and_no_example_is_larger_than_its_portion(questions):
    assert {"local", "elsewhere", *OPEN} <= set(questions["kind"])
    sort = questions["kind"].where(~questions["kind"].isin(OPEN), "untold")
    sort = sort.where(~questions["is_told"], "told")
    most = questions.groupby(["example_id", sort]).size().groupby("kind").max()
    assert (most["told"], most["untold"], most["elsewhere"]) == (2, 3, 1)
    assert questions.groupby("passage")["example_id"].nunique().max() <= 3


def test_each_example_has_a_told_question_and_no_passage_is_asked_twice_the_same(questions):
    assert questions.groupby("example_id")["is_told"].any().all()
    assert not questions.duplicated(["passage", "text"]).any()
    assert set(questions.loc[questions["is_told"], "kind"]) <= {"local", "entity_description"}
    assert not questions.loc[questions["kind"].isin([*OPEN, "elsewhere"]), "is_told"].any()


def test_what_no_round_takes_is_rejected_by_name(village):
    """However much is taken, taken and left over are what was asked about the passages."""

    def count(portion: Portion) -> tuple[int, int]:
        taken, rejected = make(village, portion=portion)
        n_over = (rejected["reason"] == "over_budget").sum()
        return (taken["kind"] != "elsewhere").sum(), n_over

    n_few, n_left = count(PORTION)
    n_many, n_rest = count(Portion(n_rounds=500, n_told=1, n_untold=9, n_elsewhere=1))
    assert n_few + n_left == n_many + n_rest
    assert n_few < n_many


def test_the_same_tables_give_the_same_questions(village, questions):
    pd.testing.assert_frame_equal(make(village)[0], questions)


def test_passages_equally_near_keep_their_order_in_every_process():
    # Sets of words have another order in every process, and so had the rounding of their sums: each
    # two passages below share words with a third that are equally rare, and no others.
    n_with = (1, 2, 3, 4, 5, 7, 9, 11)
    for one in "bdfglmnp":
        for other in "bdfglmnp":
            sides = [[f"{one}{side}{other}{chr(97 + n)}um" for n in n_with] for side in ("a", "o")]
            left, right = (" ".join(side) for side in sides)
            rest = [
                word
                for side in sides
                for n, word in zip(n_with, side, strict=True)
                for _ in range(n)
            ]
            assert nearest_passages([f"{left} {right}", left, right, *rest])[f"{left} {right}"][
                :2
            ] == [left, right]


def test_no_evaluation_phrasing_is_taught_whether_told_or_not(village, questions):
    told = questions[questions["is_told"]]["text"].iloc[0]
    untold = questions[questions["kind"] == "attribute"]["text"].iloc[0]
    again, rejections = make(village, evaluation=[told, untold])
    assert not {told, untold} & set(again["text"])
    refused = rejections[rejections["reason"] == "evaluation_query"]["detail"]
    assert {normalise(told), normalise(untold)} <= set(refused)


def test_without_rounds_there_is_nothing_to_teach(village):
    portion = Portion(n_rounds=0, n_told=2, n_untold=1, n_elsewhere=1)
    assert [len(table) for table in make(village, portion=portion)] == [0, 0]


def test_no_question_of_the_demo_scores_and_teaches(village):
    """The demo's own questions are refused, should the passages ever give them."""
    folder = Path(__file__).parents[2] / "data" / "01_raw" / "questions"
    texts = pd.concat(pd.read_json(file, lines=True) for file in sorted(folder.glob("*.jsonl")))
    taught, _ = make(village, evaluation=texts["text"].tolist())
    assert not set(map(normalise, taught["text"])) & set(map(normalise, texts["text"]))


@pytest.mark.parametrize(
    ("word", "betrayed"),
    [
        ("on Monday", "^(Tell me )?(when|on what date|at what hour)"),
        ("because of rain", "^(Tell me )?(why|for what reason)"),
        ("with Otto", "^(Tell me )?with whom"),
        ("for two pounds", "how much money|cost"),
    ],
)
def test_what_a_word_of_the_passage_could_tell_is_not_called_untold(village, word, betrayed):
    def ask(passage: str) -> list[str]:
        row = village.sentences.iloc[0]
        sentences = pd.DataFrame([{**row, "text": passage, "statement": passage}])
        mentions = village.entity_mentions[:0]
        (sentence,) = read_sentences(sentences, mentions, village.nlp)
        types = types_of_names(village.entities)
        return [text for _, text in ask_untold(passage, [sentence], types, person_test(types))]

    found = re.compile(betrayed, re.IGNORECASE)
    assert any(found.search(text) for text in ask("Greta Holm mended the village clock."))
    assert not any(
        found.search(text) for text in ask(f"Greta Holm mended the village clock {word}.")
    )
