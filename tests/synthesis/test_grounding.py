"""The grounding gate: a yes needs words that stand in the evidence, and its worth is measured."""

import json

import pytest

from ragtuned_kedro.synthesis.grounding import calibrate, judge_grounding, plant_claims
from ragtuned_kedro.synthesis.quotes import Quotes
from tests.scripted_teacher import asker_of, fenced, prompt_book, teach


def plant(village):
    quotes = Quotes(village.chunks, village.sentences)
    return plant_claims(village.sentences, village.entity_mentions, quotes, n=2, seed=1)


def judge(village, script, path):
    claims = plant(village)
    supported, answered = judge_grounding(
        claims,
        Quotes(village.chunks, village.sentences),
        asker_of(script, path)[0],
        prompt_book("synthesis"),
        max_new_tokens=200,
    )
    return claims, supported, answered


def measures(claims, supported) -> dict[str, float]:
    rows = calibrate(claims, supported).to_dict("records")
    return {row["metric"]: row["value"] for row in rows}


def test_planted_claims_are_sentences_and_the_same_with_one_thing_exchanged(village):
    claims = plant(village)
    sentences = set(village.sentences["text"])
    assert [one.is_true for one in claims] == [True, False] * 2
    for one in claims:
        assert (one.answer in sentences) == one.is_true


def test_an_honest_judge_is_trusted_wholly(village, tmp_path):
    claims, supported, answered = judge(village, teach, tmp_path / "s")
    assert set(supported) | {row["key"] for row in answered.rejections} == {c.key for c in claims}
    assert measures(claims, supported) == {"precision": 1.0, "recall": 1.0}


def test_a_judge_that_says_yes_to_all_catches_nothing(village, tmp_path):
    def agree(prompt):
        quote = " ".join(fenced(prompt)["document"][0].split()[:6])
        return json.dumps({"is_supported": True, "quote": quote})

    claims, supported, _ = judge(village, agree, tmp_path / "s")
    assert measures(claims, supported)["recall"] == 0.0


def test_a_yes_with_an_invented_quote_is_no_verdict_and_refuses_the_claim(village, tmp_path):
    def invent(prompt):
        return json.dumps({"is_supported": True, "quote": "words that stand nowhere at all"})

    claims, supported, answered = judge(village, invent, tmp_path / "s")
    assert supported == {}
    assert {row["reason"] for row in answered.rejections} == {"ungrounded"}
    assert measures(claims, supported) == {"precision": 0.5, "recall": 1.0}


@pytest.mark.parametrize("quote", ["bought  TARN\nMill for 40", "bought Tarn Mill for 40 pounds"])
def test_a_quote_is_found_whatever_its_case_and_spacing(village, quote):
    quotes = Quotes(village.chunks, village.sentences)
    chunk_ids = village.chunks["chunk_id"].tolist()
    found = quotes.evidence(quote, chunk_ids)
    texts = dict(zip(village.sentences["sentence_id"], village.sentences["text"], strict=True))
    assert ["Tarn Mill for 40 pounds" in texts[one.sentence_id] for one in found] == [True]
    assert quotes.fault("bought Tarn Mill for 41 pounds", chunk_ids) is not None
    assert quotes.fault("Tarn Mill", chunk_ids) is not None
