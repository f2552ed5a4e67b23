"""Laws of synthesis: gates, budget, ledger, split."""

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import Message
from ragtuned_kedro.synthesis.choose import choose_drafts
from ragtuned_kedro.synthesis.drafts import KINDS, Draft
from ragtuned_kedro.synthesis.examples import build_examples
from ragtuned_kedro.synthesis.gates import normalise, pass_gates
from ragtuned_kedro.synthesis.synthesize import Corpus, Synthesis, synthesize
from ragtuned_kedro.synthesis.unanswerable import ABSTENTION, stranger_names
from tests.conftest import Village, count_words, word_spans

MIX = dict.fromkeys(KINDS, 1 / len(KINDS))
ROOT = Path(__file__).parents[2]


def make(village: Village, *, evaluation: list[str] | None = None, n_pairs: int = 80) -> Synthesis:
    return synthesize(
        Corpus(
            village.documents,
            village.sentences,
            village.entity_mentions,
            village.entities,
            village.relationships,
            village.reports,
            village.findings,
        ),
        evaluation or [],
        village.nlp,
        word_spans,
        n_pairs=n_pairs,
        mix=MIX,
        max_answer_tokens=60,
        near_duplicate_similarity=0.95,
        decontamination_similarity=0.9,
        seed=5,
    )


def draft(
    question: str, *, kind: str = "local", anchor: str = "sent-1", **changes: object
) -> Draft:
    known = {
        "kind": kind,
        "anchor_kind": "sentence",
        "anchor_id": anchor,
        "question": question,
        "wants": "who",
        "answer": "Greta Holm.",
        "evidence": ("sent-1",),
    }
    return Draft(**(known | changes))  # type: ignore[arg-type]


def gate(*drafts: Draft, evaluation: tuple[str, ...] = ()) -> list[str]:
    _, refused = pass_gates(
        drafts,
        {"sent-1": "Greta Holm bought the mill.", "sent-2": "Otto bought the mill."},
        {"sent-1": "", "sent-2": ""},
        evaluation,
        count_words,
        max_answer_tokens=5,
        decontamination_similarity=0.9,
    )
    return [reason for _, reason, _ in refused]


def test_the_number_of_pairs_is_exact(village: Village) -> None:
    assert len(make(village, n_pairs=37).pairs) == 37


def test_every_kind_of_question_is_made(village: Village) -> None:
    assert set(make(village, n_pairs=300).queries["kind"]) == set(KINDS)


def test_synthesis_is_deterministic(village: Village) -> None:
    one, other = make(village), make(village)
    for name in ("queries", "pairs", "evidence", "rejections", "ledger"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


def test_an_evaluation_phrasing_is_never_taught(village: Village) -> None:
    taught = make(village, n_pairs=10_000).queries["text"].tolist()
    again = make(village, evaluation=taught[:50], n_pairs=10_000)
    assert not {normalise(t) for t in taught[:50]} & {normalise(t) for t in again.queries["text"]}
    assert "evaluation_query" in set(again.rejections["reason"])


def test_every_answer_rests_on_a_sentence_unless_there_is_none(village: Village) -> None:
    made = make(village, n_pairs=200)
    scope = dict(zip(made.queries["query_id"], made.queries["scope"], strict=True))
    rested = set(made.evidence["qa_id"])
    for row in made.pairs.itertuples():
        is_unanswerable = scope[row.query_id] == "unanswerable"
        assert (row.qa_id in rested) != is_unanswerable
        assert (row.answer == ABSTENTION) == is_unanswerable


def test_the_ledger_adds_up(village: Village) -> None:
    ledger = make(village).ledger
    n = ledger.groupby("unit_kind")["n"].sum()
    assert n["sentence"] == len(village.sentences)
    assert n["chunk"] == village.sentences["chunk_id"].nunique()
    assert n["entity"] == len(village.entities)
    assert n["relationship"] == len(village.relationships)
    assert n["community"] == len(village.reports)


def test_drafts_are_accepted_or_rejected_with_a_reason(village: Village) -> None:
    made = make(village)
    drafts = made.ledger[made.ledger["unit_kind"].str.startswith("draft ")]
    assert drafts["n"].sum() == len(made.pairs) + len(made.rejections)


def test_an_unknown_kind_in_the_mix_is_named() -> None:
    with pytest.raises(UserError, match="riddles"):
        synthesize(
            None,  # type: ignore[arg-type]
            [],
            None,  # type: ignore[arg-type]
            word_spans,
            n_pairs=1,
            mix={"riddles": 1.0},
            max_answer_tokens=9,
            near_duplicate_similarity=1.0,
            decontamination_similarity=1.0,
            seed=0,
        )


def test_each_gate_refuses_for_its_reason() -> None:
    assert gate(draft("Who bought the old mill?", answer="Hilda Moor.")) == ["ungrounded"]
    assert gate(draft("Who is it?")) == ["vague"]
    assert gate(draft("Who bought the mill?", answer="the mill " * 9)) == ["too_long"]
    assert gate(draft("Who bought the mill?"), draft("Who bought the mill?")) == ["duplicate"]
    two = (draft("Who bought the mill?"), draft("Who bought the mill?", anchor="sent-2"))
    assert gate(*two) == ["ambiguous", "ambiguous"]
    asked = ("Who bought that mill?",)
    assert gate(draft("Who bought the mill?"), evaluation=asked) == ["evaluation_query"]


def test_every_anchor_gets_one_question_before_any_gets_two() -> None:
    drafts = [draft(f"Who bought mill {a} {n}?", anchor=a) for a in "abcd" for n in range(9)]
    chosen = choose_drafts(drafts, n_pairs=6, mix={"local": 1.0}, seed=1)
    counts = Counter(d.anchor_id for d in chosen)
    assert sorted(counts.values()) == [1, 1, 2, 2]


def test_a_kind_that_cannot_fill_its_share_leaves_it_to_the_others() -> None:
    drafts = [draft(f"Who bought mill {n}?") for n in range(20)]
    drafts += [draft("Who links?", kind="linked")]
    chosen = choose_drafts(drafts, n_pairs=10, mix={"local": 0.5, "linked": 0.5}, seed=1)
    assert Counter(d.kind for d in chosen) == {"local": 9, "linked": 1}


def test_strangers_share_no_word_with_the_corpus() -> None:
    people, places = stranger_names({"agnes", "ashgrove"}, 1)
    names = [next(people) for _ in range(500)] + [next(places) for _ in range(99)]
    assert not {word.lower() for name in names for word in name.split()} & {"agnes", "ashgrove"}


def test_no_two_questions_on_one_anchor_fall_on_both_sides(village: Village) -> None:
    made = make(village, n_pairs=120)

    def count(messages: tuple[Message, ...]) -> tuple[int, int]:
        lengths = [count_words(message.content) for message in messages]
        return sum(lengths), lengths[-1]

    examples, rejected = build_examples(
        made.queries,
        made.pairs,
        count,
        system_prompt="",
        validation_share=0.3,
        opening_share=0.0,
        opening_tokens=4,
        max_tokens=25,
        seed=1,
    )
    assert len(examples) + len(rejected) == len(made.pairs)
    query_of = dict(zip(made.pairs["qa_id"], made.pairs["query_id"], strict=True))
    anchor_of = dict(zip(made.queries["query_id"], made.queries["anchor_id"], strict=True))
    sides: dict[str, set[str]] = {"train": set(), "validation": set()}
    for example in examples:
        sides[example.split].add(anchor_of[query_of[example.qa_id]])
    assert sides["train"]
    assert sides["validation"]
    assert not sides["train"] & sides["validation"]


def test_the_demo_questions_are_many_and_their_answers_stand_in_the_journal() -> None:
    lines = (ROOT / "data/01_raw/questions/journal.jsonl").read_text().splitlines()
    questions = [json.loads(line) for line in lines]
    counts = Counter(question["scope"] for question in questions)
    least = {"local": 80, "linked": 30, "global": 15, "unanswerable": 20}
    assert all(counts[scope] >= n for scope, n in least.items())
    for question in questions:
        assert bool(question["assertions"]) == (question["scope"] != "unanswerable")
        text = " ".join(
            (ROOT / "data/01_raw/journal" / name).read_text() for name in question["evidence"]
        )
        for assertion in question["assertions"]:
            spellings = [assertion["text"], *assertion.get("aliases", [])]
            assert any(normalise(s) in normalise(text) for s in spellings), question["text"]
