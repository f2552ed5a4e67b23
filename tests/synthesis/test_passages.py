"""Laws of what is recited, how questions lose words, and how much of an answer is trained on."""

import pytest

from ragtuned_kedro.language_models.weights import choose_dtype
from ragtuned_kedro.schemas.records import Message
from ragtuned_kedro.synthesis.examples import build_examples
from ragtuned_kedro.synthesis.passages import passages_of
from ragtuned_kedro.synthesis.phrasing import drop_words
from ragtuned_kedro.synthesis.reading import read_sentences
from ragtuned_kedro.synthesis.unanswerable import ABSTENTION
from tests.conftest import Village, count_words, word_spans
from tests.synthesis.test_synthesize import draft, make


def passages(village: Village, max_tokens: int) -> dict[str, str]:
    sentences = list(read_sentences(village.sentences, village.entity_mentions, village.nlp))
    return passages_of(sentences, village.documents, word_spans, max_tokens)


def test_every_sentence_stands_in_its_passage(village: Village) -> None:
    found = passages(village, 40)
    for row in village.sentences.itertuples():
        assert row.statement in found[row.sentence_id]
    assert set(found) == set(village.sentences["sentence_id"])


def test_a_passage_is_a_paragraph_and_no_longer_than_allowed(village: Village) -> None:
    whole = set(passages(village, 200).values())
    assert len(whole) == len(village.documents)
    longest = max(count_words(statement) for statement in village.sentences["statement"])
    assert all(count_words(one) <= longest for one in passages(village, longest).values())


def test_a_question_loses_words_but_never_names_or_its_first_word() -> None:
    question = "What did the careful miller of Tarn Mill give to Greta Holm in the spring?"
    shorter = drop_words(draft(question), seed=1).question
    assert set(shorter.rstrip("?").split()) < set(question.rstrip("?").split())
    assert shorter.startswith("What ")
    assert {"Tarn", "Mill", "Greta", "Holm"} <= set(shorter.rstrip("?").split())
    assert drop_words(draft(question), seed=1).question == shorter


def test_openings_are_cut_by_share_and_refusals_are_taught_whole(village: Village) -> None:
    made = make(village, n_pairs=120)

    def count(messages: tuple[Message, ...]) -> tuple[int, int]:
        lengths = [count_words(message.content) for message in messages]
        return sum(lengths), lengths[-1]

    def targets(share: float) -> list[tuple[str, int]]:
        examples, _ = build_examples(
            made.queries,
            made.pairs,
            count,
            system_prompt="",
            validation_share=0.0,
            opening_share=share,
            opening_tokens=3,
            max_tokens=500,
            seed=1,
        )
        return [(one.messages[-1].content, one.n_target_tokens) for one in examples]

    assert all(n == count_words(text) for text, n in targets(0.0))
    assert all(
        n == (count_words(text) if text == ABSTENTION else min(3, count_words(text)))
        for text, n in targets(1.0)
    )
    n_cut = sum(n < count_words(text) for text, n in targets(0.5))
    assert 0.3 < n_cut / sum(n < count_words(text) for text, n in targets(1.0)) < 0.7


def test_a_cut_example_is_another_example(village: Village) -> None:
    made = make(village, n_pairs=40)
    ids = [
        {
            one.example_id
            for one in build_examples(
                made.queries,
                made.pairs,
                lambda messages: (50, 40),
                system_prompt="",
                validation_share=0.0,
                opening_share=share,
                opening_tokens=3,
                max_tokens=500,
                seed=1,
            )[0]
        }
        for share in (0.0, 1.0)
    ]
    refusals = sum(made.pairs["answer"] == ABSTENTION)
    assert len(ids[0] & ids[1]) == refusals


@pytest.mark.parametrize("able", [True, False])
def test_auto_is_bfloat16_only_where_the_processor_computes_in_it(
    able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": able})
    assert choose_dtype("auto", "cpu") == ("bfloat16" if able else "float32")
    assert choose_dtype("auto", "cuda") == "bfloat16"
    assert choose_dtype("float32", "cuda") == "float32"
