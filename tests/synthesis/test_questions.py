"""Laws of the questions: what a sentence states is asked in the form a person would ask."""

import pytest
from spacy.tokens import Doc

from ragtuned_kedro.synthesis.asking import ask
from ragtuned_kedro.synthesis.clauses import read_clauses
from ragtuned_kedro.synthesis.constituents import NAMES
from ragtuned_kedro.synthesis.descriptions import read_descriptions
from ragtuned_kedro.synthesis.reading import person_test, read_sentences
from tests.conftest import Village

TYPES = {"Greta Holm": "PERSON", "Maren Lind": "PERSON", "Tarn Mill": "GEO"}


def parse(village: Village, text: str) -> Doc:
    doc = village.nlp(text)
    doc.user_data[NAMES] = {}
    return doc


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        ("Greta Holm bought Tarn Mill.", "Who bought Tarn Mill?", "Greta Holm"),
        ("Greta Holm bought Tarn Mill.", "What did Greta Holm buy?", "Tarn Mill"),
        ("Greta Holm painted the door in May.", "When did Greta Holm paint the door?", "in May"),
        ("Greta Holm lives in Quay Street.", "Where does Greta Holm live?", "in Quay Street"),
        ("Greta Holm keeps nine goats.", "How many goats does Greta Holm keep?", "nine goats"),
        ("The mill was sold for 40 pounds.", "How much was the mill sold for?", "for 40 pounds"),
        ("The mill was sold for 40 pounds.", "What was the price of the mill?", "for 40 pounds"),
        ("The door was painted by Greta Holm.", "Who was the door painted by?", "by Greta Holm"),
        (
            "Greta Holm closed the mill because the wheel broke.",
            "Why did Greta Holm close the mill?",
            "because the wheel broke",
        ),
        ("Greta Holm is the miller.", "Who is Greta Holm?", "the miller"),
    ],
)
def test_each_constituent_is_asked_for(
    village: Village, text: str, question: str, answer: str
) -> None:
    asked = {
        one.text: one.answer
        for clause in read_clauses(parse(village, text))
        for one in ask(clause, person_test(TYPES))
    }
    assert asked.get(question) == answer


def test_a_denied_clause_is_asked_about_its_subject_only(village: Village) -> None:
    (clause,) = read_clauses(parse(village, "Greta Holm did not buy the mill."))
    assert {one.wants for one in ask(clause, person_test(TYPES))} == {"who"}


def test_what_a_pronoun_hides_is_not_asked_about(village: Village) -> None:
    assert list(read_clauses(parse(village, "They bought the mill."))) == []


def test_a_description_is_read_from_apposition_and_kinship(village: Village) -> None:
    read = read_sentences(village.sentences, village.entity_mentions, village.nlp)
    types = dict(zip(village.entities["name"], village.entities["type"], strict=True))
    found = {
        (d.name, d.text): d.kinship
        for sentence in read
        for d in read_descriptions(sentence.doc, person_test(types))
    }
    assert ("Greta Holm", "the miller") in found
    assert found["Maren Lind", "Otto Lind's sister"] == ("Otto Lind", "sister")
