"""Passages of a corpus of words, measured by a reader whose tokens are words."""

import numpy as np
import pandas as pd
import pytest

from ragtuned_kedro.answering.nearest_passage import repeat
from ragtuned_kedro.answering.systems import Query
from ragtuned_kedro.answering.vanilla_rag import PassageChoice
from ragtuned_kedro.retrieval.passages import PassageIndex

SENTENCES = ["the mill was sold in may", "a goat lives there", "the bell rang"]
QUERY = Query("equery-a", "when was the mill sold")
WORDS = sorted({word for text in [*SENTENCES, QUERY.text] for word in text.split()})


def embed(texts):  # type: ignore[no-untyped-def]
    counts = np.array([[text.split().count(word) for word in WORDS] for text in texts], float)
    return counts / np.maximum(1e-9, np.linalg.norm(counts, axis=1, keepdims=True))


class WordReader:
    def count_tokens(self, text):  # type: ignore[no-untyped-def]
        return len(text.split())

    def cut(self, text, n_tokens):  # type: ignore[no-untyped-def]
        return " ".join(text.split()[:n_tokens])


def say(**changes):  # type: ignore[no-untyped-def]
    ids = [f"sent-{at}" for at in range(len(SENTENCES))]
    rows = {"doc_id": "doc-a", "chunk_id": "chunk-a", "position": range(len(SENTENCES))}
    passages = PassageIndex.build(
        pd.DataFrame(
            {
                "chunk_id": ["chunk-a"],
                "doc_id": "doc-a",
                "position": 0,
                "text": ". ".join(SENTENCES),
            }
        ),
        pd.DataFrame(rows | {"sentence_id": ids, "text": SENTENCES}),
        pd.DataFrame(
            {"doc_id": ["doc-a"], "title": "it", "published_at": pd.NaT, "source_uri": "a"}
        ),
        embed,
    )
    settings = {"n_chunks": 1, "n_sentences": 8, "room": 12, "min_likeness": 0.1}
    choice = PassageChoice(
        passages, WordReader(), None, **(settings | changes), abstention="No.", best_last=False
    )
    (found,) = passages.search([QUERY.text], embed, n_chunks=1)
    return repeat(choice.evidence(QUERY, found, 0.5), WordReader())


def test_the_nearest_sentence_is_said_first_and_the_first_that_does_not_fit_ends_it():
    evidence = say()
    assert evidence.reply == "the mill was sold in may\nthe bell rang"
    used = {unit.unit_id: unit.is_used for unit in evidence.units if unit.kind == "sentence"}
    assert used == {"sent-0": True, "sent-2": True, "sent-1": False}


def test_what_is_repeated_costs_its_tokens_and_the_time_of_finding_it():
    evidence = say()
    assert evidence.n_completion_tokens == 9
    assert evidence.seconds >= 0.5
    assert not evidence.needs_model


@pytest.mark.parametrize("room", [1, 4, 6])
def test_a_sentence_that_is_longer_than_an_answer_is_cut_to_it(room):
    evidence = say(room=room)
    assert evidence.reply == " ".join(SENTENCES[0].split()[:room])
    assert evidence.n_completion_tokens == room


def test_a_question_that_no_sentence_is_near_to_is_not_answered():
    evidence = say(min_likeness=0.9)
    assert evidence.reply == "No."
    assert not any(unit.is_used for unit in evidence.units)
