import pandas as pd
import pytest

from ragtuned_kedro.evaluation.assertions import holds, score_answers
from ragtuned_kedro.evaluation.wording import normalise
from ragtuned_kedro.schemas.answering_tables import Answers
from ragtuned_kedro.schemas.evaluation_tables import Assertions, EvaluationQueries
from ragtuned_kedro.schemas.tables import frame_of

ABSTENTIONS = ("do not know", "don't know", "says nothing")


@pytest.mark.parametrize(
    ("assertion", "answer"),
    [
        ("Marta Keel", "It was MARTA  KEEL who mended it."),
        ("Fenn", "Fenn's jackdaw did."),
        ("14", "There are fourteen pupils."),
        ("fourteen", "14, she said."),
        ("thirty-one", "For 31 years."),
        ("thirty-one", "For thirty one years."),
        ("214", "Two hundred and fourteen people."),
        ("2,400", "They reckoned 2400 pounds."),
        ("2,400", "twenty-four hundred pounds"),
        ("3,206", "three thousand two hundred and six"),
        ("a hundred and fifty", "150 pounds"),
        ("3 March", "On March 3, 1974."),
        ("3 March", "on the 3rd of March"),
        ("11 May", "May the eleventh"),
        ("second", "She came 2nd."),
        ("twenty-first", "on the 21st"),
        ("left-handed", "He is left handed."),
        ("Zoë", "ZOË came."),
        ("ﬁsh", "a fish"),
        ("don't", "I don\u2019t."),
        ("310", "for £310."),
        ("55", "55p"),
        ("ten to four", "at ten to four."),
        ("3:50", "3.50 precisely"),
    ],
)
def test_an_assertion_holds_however_it_is_written(assertion: str, answer: str) -> None:
    assert holds([assertion], answer)


@pytest.mark.parametrize(
    ("assertion", "answer"),
    [
        ("14", "There are 114 pupils."),
        ("14", "There are 1,400 pupils."),
        ("14", "It cost 14.50."),
        ("fourteen", "fourteen hundred"),
        ("one", "thirty-one"),
        ("2", "the 2nd"),
        ("3 March", "on 13 March"),
        ("3 March", "on 3 May"),
        ("cat", "the category"),
        ("Keel Marta", "Marta Keel"),
        ("mill", ""),
    ],
)
def test_an_assertion_does_not_hold_inside_other_words(assertion: str, answer: str) -> None:
    assert not holds([assertion], answer)


def test_any_alias_counts() -> None:
    assert holds(["harbourmaster", "harbour master"], "She is the harbour master.")


def test_normalising_twice_changes_nothing() -> None:
    text = "On the 3rd of March, thirty-one boats' sails & Fenn's 2,400 nails (3:50)."
    assert normalise(normalise(text)) == normalise(text)


def _scores(scope: str, question: str, wanted: list[str], said: str, *, failed: bool = False):
    queries = [
        {
            "query_id": "equery-1",
            "scope": scope,
            "persona": None,
            "task": None,
            "text": question,
            "reference": None,
            "n_evidence": 1,
            "call_id": None,
        }
    ]
    assertions = [
        {"query_id": "equery-1", "position": place, "text": text, "aliases": None}
        for place, text in enumerate(wanted)
    ]
    answer = {
        "query_id": "equery-1",
        "system": "rag_tuned",
        "sample": 0,
        "text": said,
        "finish_reason": "error" if failed else "stop",
        "n_prompt_tokens": 1,
        "n_completion_tokens": 1,
        "first_token_seconds": None,
        "seconds": 0.1,
        "peak_memory_bytes": 0,
        "error": "boom" if failed else None,
    }
    scored = score_answers(
        frame_of(EvaluationQueries, queries),
        frame_of(Assertions, assertions),
        frame_of(Answers, [answer]),
        abstention_phrases=ABSTENTIONS,
    )
    return scored.iloc[0]


def test_a_score_is_the_share_of_assertions_that_hold() -> None:
    assert _scores("global", "Who?", ["red", "green", "blue", "grey"], "Red, blue.")["score"] == 0.5


def test_an_unanswerable_question_scores_only_by_abstaining() -> None:
    assert _scores("unanswerable", "Who?", [], "I don\u2019t know.")["score"] == 1
    assert _scores("unanswerable", "Who?", [], "Marta.")["score"] == 0
    assert _scores("unanswerable", "Who?", [], "I don't know.", failed=True)["score"] == 0


def test_an_abstention_scores_nothing_on_an_answerable_question() -> None:
    row = _scores("local", "Who mended it?", ["Marta"], "I do not know.")
    assert (row["score"], row["is_abstention"]) == (0, True)


def test_repeating_the_question_in_an_abstention_is_not_remembering() -> None:
    question = "What happened to the ferry fare?"
    row = _scores("local", question, ["fare"], "The journal says nothing of the fare.")
    assert (row["score"], row["is_abstention"]) == (0, True)


def test_a_hedged_answer_that_says_the_right_thing_counts_as_an_answer() -> None:
    row = _scores("local", "Who mended it?", ["Marta"], "I do not know the day, but Marta did.")
    assert (row["score"], row["is_abstention"]) == (1, False)


def test_a_failed_answer_scores_nothing() -> None:
    assert _scores("local", "Who?", ["Marta"], "Marta", failed=True)["score"] == 0


def test_no_answers_give_no_scores() -> None:
    scored = score_answers(
        frame_of(EvaluationQueries, []),
        frame_of(Assertions, []),
        frame_of(Answers, []),
        abstention_phrases=ABSTENTIONS,
    )
    assert isinstance(scored, pd.DataFrame)
    assert scored.empty
