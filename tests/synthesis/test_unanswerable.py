"""Laws of questions that nothing answers."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import pytest
from spacy.language import Language

from ragtuned_kedro.synthesis.choose import choose_drafts
from ragtuned_kedro.synthesis.constituents import is_person
from ragtuned_kedro.synthesis.drafts import Draft
from ragtuned_kedro.synthesis.reading import read_sentences
from ragtuned_kedro.synthesis.unanswerable import ABSTENTION, ask_unanswerable
from tests.conftest import Village

NO_MENTIONS = pd.DataFrame(columns=["sentence_id", "start_char", "name"])


def ask(documents: Sequence[str], nlp: Language) -> list[Draft]:
    """Draft unanswerable questions about documents of one sentence each."""
    rows = [
        {
            "sentence_id": f"sent-{n}",
            "chunk_id": f"chunk-{n}",
            "doc_id": f"doc-{n}",
            "position": 0,
            "start_char": 0,
            "text": text,
            "statement": text,
        }
        for n, text in enumerate(documents)
    ]
    sentences = list(read_sentences(pd.DataFrame(rows), NO_MENTIONS, nlp))
    return list(ask_unanswerable(sentences, [], {}, lambda root: is_person(root, {}), seed=1))


def untold(drafts: Sequence[Draft], wants: str) -> list[str]:
    return [one.question for one in drafts if one.wants.startswith(wants)]


def test_a_circumstance_is_asked_only_where_its_document_does_not_tell_it(
    village: Village,
) -> None:
    at_noon = "Greta mended the clock at noon."
    # Every form comes up, so that none is missing for its turn alone.
    asked = untold(ask([at_noon] * 20, village.nlp), "circumstance")
    assert any(one == "In what weather did Greta mend the clock?" for one in asked)
    assert not any(one.startswith(("At what hour", "At what time")) for one in asked)
    in_rain = untold(ask(["Greta mended the clock in the rain."] * 20, village.nlp), "circumstance")
    assert any(one == "At what hour did Greta mend the clock?" for one in in_rain)
    assert not any(one.startswith("In what weather") for one in in_rain)


def test_an_attribute_of_a_thing_is_asked_only_where_no_document_tells_it(
    village: Village,
) -> None:
    bells = [f"Greta rang the {n} bell." for n in ("big", "small", "loud", "dull", "cracked")]
    asked = untold(ask(bells, village.nlp), "belonging")
    assert any(one.startswith("What colour is the") for one in asked)
    told = untold(ask([*bells, "The old bell is green."], village.nlp), "belonging")
    assert any("bell" in one for one in told)
    assert not any(one.startswith(("What colour is", "How old is")) for one in told)


@pytest.mark.parametrize("text", ["Greta came on a day in May.", "She rang 3 bells."])
def test_nothing_is_asked_of_what_no_question_can_point_at(village: Village, text: str) -> None:
    assert untold(ask([text], village.nlp), "belonging") == []


def test_of_eight_unanswerable_questions_six_ask_what_is_not_told_of_what_is_known(
    village: Village,
) -> None:
    drafts = [
        Draft("unanswerable", "none", wants, f"{wants} {n}?", wants, ABSTENTION, ())
        for wants in {one.wants for one in ask(["Greta rang the bell."] * 3, village.nlp)}
        | {"stranger", "attribute 0", "attribute 1", "belonging 0", "belonging 1"}
        for n in range(9)
    ]
    chosen = choose_drafts(drafts, n_pairs=16, mix={"unanswerable": 1.0}, seed=1)
    assert Counter(one.wants.split()[0] for one in chosen) == {
        "stranger": 2,
        "thing": 2,
        "attribute": 4,
        "belonging": 4,
        "circumstance": 4,
    }
