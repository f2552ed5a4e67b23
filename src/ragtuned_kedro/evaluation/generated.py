"""Generated questions become evaluation queries: clean of training questions, and few enough."""

from collections.abc import Sequence

from rapidfuzz import fuzz, process

from ragtuned_kedro.evaluation.generate import GeneratedQuestion
from ragtuned_kedro.evaluation.queries import (
    QuestionTables,
    assertion_rows,
    evidence_rows,
    query_row,
)
from ragtuned_kedro.evaluation.wording import normalise
from ragtuned_kedro.schemas.evaluation_tables import Assertions, EvaluationQueries, QueryEvidence
from ragtuned_kedro.schemas.ids import content_id, seeded_order
from ragtuned_kedro.schemas.records import EvaluationAssertion, EvaluationQuestion
from ragtuned_kedro.schemas.tables import Rejections, frame_of


class OtherQuestions:
    """What a generated question must stay away from: taught questions, and those by hand.

    Training questions are kept away from the written evaluation questions when they are made;
    generated ones come afterwards and are kept away from the training questions instead, so that
    the training data does not depend on them.
    """

    def __init__(
        self, training_texts: Sequence[str], written_texts: Sequence[str], *, similarity: float
    ) -> None:
        self._texts = {
            "training_query": [normalise(text) for text in training_texts],
            "evaluation_query": [normalise(text) for text in written_texts],
        }
        self._similarity = similarity

    def fault(self, text: str) -> tuple[str, str] | None:
        """Tell which question `text` is too close to: the reason, and that question.

        Reasons: training_query, evaluation_query (a similarity of at least `similarity`, 0 to 1).
        """
        for reason, texts in self._texts.items():
            match = process.extractOne(
                normalise(text), texts, scorer=fuzz.ratio, score_cutoff=100 * self._similarity
            )
            if match:
                return reason, match[0]
        return None


def choose_generated(
    questions: Sequence[GeneratedQuestion],
    others: OtherQuestions,
    *,
    n_per_scope: int,
    seed: int,
) -> QuestionTables:
    """Refuse what is too close to `others`, and draw `n_per_scope` of the rest.

    Rejection reasons: those of `others`, and over_budget. Inputs = queries + rejections.
    """
    by_text = {one.text: one for one in questions}
    passed: dict[str, list[str]] = {}
    rejected: list[dict] = []
    for text, one in by_text.items():
        fault = others.fault(text)
        if fault:
            rejected.append(_rejection(text, *fault))
        else:
            passed.setdefault(one.scope, []).append(text)
    chosen: list[GeneratedQuestion] = []
    for scope, texts in sorted(passed.items()):
        order = seeded_order(texts, seed=seed)
        chosen += [by_text[text] for text in order[:n_per_scope]]
        rejected += [_rejection(text, "over_budget", scope) for text in order[n_per_scope:]]
    return question_tables(chosen, rejected)


def question_tables(
    chosen: Sequence[GeneratedQuestion], rejected: Sequence[dict]
) -> QuestionTables:
    """Write questions and rejections as tables."""
    queries, assertions, evidence = [], [], []
    for one in chosen:
        question = EvaluationQuestion.model_validate(
            {
                "scope": one.scope,
                "text": one.text,
                "assertions": [
                    EvaluationAssertion(text=text, aliases=tuple(aliases))
                    for text, *aliases in one.assertions
                ],
                "evidence": one.evidence,
                "persona": one.persona,
                "task": one.task,
            }
        )
        query_id = content_id("equery", question.text)
        queries.append(query_row(query_id, question) | {"call_id": one.call_id})
        assertions += assertion_rows(query_id, question)
        evidence += evidence_rows(query_id, question)
    return QuestionTables(
        frame_of(EvaluationQueries, queries),
        frame_of(Assertions, assertions),
        frame_of(QueryEvidence, evidence),
        frame_of(Rejections, list(rejected)),
    )


def _rejection(text: str, reason: str, detail: str) -> dict:
    return {"key": text, "call_id": None, "reason": reason, "detail": detail}
