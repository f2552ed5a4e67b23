"""Generated questions have one answer, which the tables decide, and stay away from training."""

import json

import pandas as pd
import pytest

from ragtuned_kedro.evaluation.generate import GeneratedQuestion, GraphFacts, generate_questions
from ragtuned_kedro.evaluation.generated import OtherQuestions, choose_generated

TYPES = {"Ada": "PERSON", "Tarn Mill": "GEO", "Otto": "PERSON", "Maren": "PERSON", "Gull": "PERSON"}
# What each sentence of each document names.
NAMED = {
    "a.md": [("Ada", "Otto", "Tarn Mill"), ("Ada", "Gull")],
    "b.md": [("Otto", "Maren"), ("Ada", "Otto")],
}


def _facts(named: dict[str, list[tuple[str, ...]]] = NAMED) -> GraphFacts:
    documents = pd.DataFrame(
        {
            "doc_id": list(named),
            "source_uri": list(named),
            "published_at": pd.to_datetime(
                [f"1901-05-{place + 9:02d}" for place in range(len(named))], utc=True
            ),
        }
    )
    placed = [
        (f"{uri}-{place}", uri, names)
        for uri, sentences in named.items()
        for place, names in enumerate(sentences)
    ]
    sentences = pd.DataFrame(
        [(one, uri) for one, uri, _ in placed], columns=["sentence_id", "doc_id"]
    )
    mentions = pd.DataFrame(
        [(one, name, name, TYPES[name]) for one, _, names in placed for name in names],
        columns=["sentence_id", "name", "surface", "type"],
    )
    entities = pd.DataFrame(
        [
            (f"ent-{name}", name, kind, 10 - place)
            for place, (name, kind) in enumerate(TYPES.items())
        ],
        columns=["entity_id", "name", "type", "degree"],
    )
    members = pd.DataFrame(
        [("comm-1", f"ent-{name}") for name in TYPES], columns=["community_id", "entity_id"]
    )
    return GraphFacts(documents, sentences, entities, mentions, members)


def _asked(start: str, facts: GraphFacts | None = None) -> list[GeneratedQuestion]:
    return [one for one in generate_questions(facts or _facts()) if one.text.startswith(start)]


def test_a_third_name_is_asked_for_only_where_one_sentence_has_one() -> None:
    found = {one.text: one.assertions for one in _asked("Besides")}
    assert found == {
        "Besides Ada and Tarn Mill, which person belongs to the same happening?": (("Otto",),),
        "Besides Otto and Tarn Mill, which person belongs to the same happening?": (("Ada",),),
    }


def test_a_day_is_asked_for_only_where_one_entry_joins_the_two() -> None:
    days = {one.text: one.assertions[0][0] for one in _asked("Under which date")}
    assert days["Under which date are Ada and Gull written of together?"] == "9 May"
    assert days["Under which date are Maren and Otto written of together?"] == "10 May"
    assert not [text for text in days if "Ada and Otto" in text]


def test_a_link_is_the_only_name_that_meets_both_ends_and_lies_in_two_documents() -> None:
    links = [one for one in generate_questions(_facts()) if one.scope == "linked"]
    assert {one.text.split(" never")[0]: one.assertions for one in links} == {
        "Maren and Tarn Mill": (("Otto",),),
    }
    assert links[0].evidence == ("b.md", "a.md")
    # Ada meets Maren through Otto in b.md alone: a fact of one document.
    assert not [one for one in links if one.text.startswith("Ada and Maren")]


def test_a_circle_names_those_who_stand_beside_its_centre() -> None:
    (circle,) = [one for one in generate_questions(_facts()) if one.scope == "global"]
    assert circle.text.endswith("around Ada?")
    assert set(circle.assertions) == {("Tarn Mill",), ("Otto",), ("Gull",)}
    assert circle.evidence == ("a.md", "b.md")


def test_no_name_gives_no_question() -> None:
    assert generate_questions(_facts({"a.md": []})) == []


def _choose(questions: list[GeneratedQuestion], *, n_per_scope: int = 99, taught=(), written=()):
    return choose_generated(
        questions,
        OtherQuestions(list(taught), list(written), similarity=0.9),
        n_per_scope=n_per_scope,
        seed=1,
    )


def test_every_generated_question_is_asked_or_refused_with_its_reason() -> None:
    questions = generate_questions(_facts())
    day, link = (_asked(start)[0].text for start in ("Under which date", "Maren"))
    made = _choose(questions, n_per_scope=1, taught=[day.upper() + "!"], written=[link.rstrip("?")])
    assert len(made.queries) + len(made.rejections) == len(questions)
    reasons = dict(zip(made.rejections["key"], made.rejections["reason"], strict=True))
    assert reasons[day] == "training_query"
    assert reasons[link] == "evaluation_query"
    assert set(reasons.values()) == {"training_query", "evaluation_query", "over_budget"}
    assert set(made.queries["scope"]) == {"local", "global"}
    assert not set(made.queries["text"]) & set(reasons)


def test_a_query_carries_its_assertions_with_other_spellings_and_its_evidence() -> None:
    question = GeneratedQuestion(
        "linked", "Who?", (("Ada Lind", "Ada"), ("Otto",)), ("a.md", "b.md")
    )
    made = _choose([question])
    assert made.queries["n_evidence"].tolist() == [2]
    assert json.loads(made.assertions["aliases"].iloc[0]) == ["Ada"]
    assert pd.isna(made.assertions["aliases"].iloc[1])
    assert made.evidence["source_uri"].tolist() == ["a.md", "b.md"]


@pytest.mark.parametrize("n_per_scope", [0, 1, 2])
def test_no_scope_gets_more_than_it_may(n_per_scope: int) -> None:
    made = _choose(generate_questions(_facts()), n_per_scope=n_per_scope)
    assert made.queries["scope"].value_counts().max() <= n_per_scope or n_per_scope == 0
    assert made.queries.empty == (n_per_scope == 0)
    again = _choose(generate_questions(_facts()), n_per_scope=n_per_scope)
    assert again.queries.equals(made.queries)
