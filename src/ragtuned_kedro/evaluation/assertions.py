"""Whether an answer says what a right answer must say, and whether it owns up to not knowing."""

import json
from collections.abc import Sequence

import pandas as pd

from ragtuned_kedro.evaluation.wording import contains, normalise
from ragtuned_kedro.schemas.evaluation_tables import QueryScores
from ragtuned_kedro.schemas.tables import frame_of


def holds(spellings: Sequence[str], answer: str) -> bool:
    """Tell whether one of `spellings` stands in `answer`, as whole words in one spelling."""
    said = normalise(answer)
    return any(contains(said, normalise(one)) for one in spellings)


def abstains(answer: str, phrases: Sequence[str]) -> bool:
    """Tell whether `answer` says that it does not know, by one of `phrases`."""
    return holds(phrases, answer)


def n_held(assertions: Sequence[Sequence[str]], *, question: str, answer: str, hedged: bool) -> int:
    """Count the assertions that hold in `answer`; each is a list of spellings.

    In a hedged answer ("the journal says nothing about the ferry fare") a spelling that the
    question itself contains does not count: repeating the question is not remembering.
    """
    asked = normalise(question)
    usable = (
        [one for one in spellings if not (hedged and contains(asked, normalise(one)))]
        for spellings in assertions
    )
    return sum(holds(spellings, answer) for spellings in usable)


def score_answers(
    queries: pd.DataFrame,
    assertions: pd.DataFrame,
    answers: pd.DataFrame,
    *,
    abstention_phrases: Sequence[str],
) -> pd.DataFrame:
    """Score every answer, from Answers to QueryScores, in the order of the answers.

    An answerable question scores the share of its assertions that hold; an abstention that all
    the same says the right thing scores for it and is not counted as an abstention. An
    unanswerable question scores 1 exactly when the answer abstains. A failed answer scores 0.
    """
    spellings = spellings_by_query(assertions)
    asked = {row["query_id"]: row for row in queries.to_dict("records")}
    rows = []
    for answer in answers.to_dict("records"):
        query = asked[answer["query_id"]]
        wanted = spellings.get(answer["query_id"], [])
        said = "" if answer["finish_reason"] == "error" else answer["text"]
        hedged = abstains(said, abstention_phrases)
        held = n_held(wanted, question=query["text"], answer=said, hedged=hedged)
        is_abstention = hedged and held == 0
        unanswerable = query["scope"] == "unanswerable"
        rows.append(
            {
                "query_id": answer["query_id"],
                "system": answer["system"],
                "sample": answer["sample"],
                "scope": query["scope"],
                "n_assertions": len(wanted),
                "n_held": held,
                "is_abstention": is_abstention,
                "score": float(is_abstention) if unanswerable else held / len(wanted),
            }
        )
    return frame_of(QueryScores, rows)


def spellings_by_query(assertions: pd.DataFrame) -> dict[str, list[list[str]]]:
    """List what must hold in an answer to each query: its assertions, each in all its spellings."""
    grouped: dict[str, list[list[str]]] = {}
    for row in assertions.sort_values(["query_id", "position"]).to_dict("records"):
        aliases = json.loads(row["aliases"]) if isinstance(row["aliases"], str) else []
        grouped.setdefault(row["query_id"], []).append([row["text"], *aliases])
    return grouped
