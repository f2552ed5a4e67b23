"""Evaluation questions by a teacher: global ones as readers would ask, local ones from chunks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ragtuned_kedro.evaluation.answer_points import (
    MOST_WORDS,
    Source,
    fault_of_points,
    take_points,
)
from ragtuned_kedro.evaluation.chunk_questions import ask_about_chunks
from ragtuned_kedro.evaluation.entity_names import EntityNames
from ragtuned_kedro.evaluation.generate import GeneratedQuestion
from ragtuned_kedro.evaluation.generated import OtherQuestions, question_tables
from ragtuned_kedro.evaluation.interview import Gate, Interview
from ragtuned_kedro.evaluation.personas import Asked, ask_as_readers
from ragtuned_kedro.evaluation.queries import QuestionTables
from ragtuned_kedro.language_models.asked import calls_table
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.prompts import Prompts
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.records import Prompt
from ragtuned_kedro.schemas.teacher_replies import AnswerPoints

POINTS = "generate_questions.points"


@dataclass(frozen=True)
class ReadTables:
    """The tables that a teacher's questions are made from."""

    documents: pd.DataFrame
    chunks: pd.DataFrame
    entities: pd.DataFrame
    entity_mentions: pd.DataFrame
    communities: pd.DataFrame
    community_reports: pd.DataFrame


def ask_teacher(
    tables: ReadTables,
    others: OtherQuestions,
    asker: Asker,
    prompts: PromptBook,
    *,
    language: str,
    max_context_tokens: int,
    n_personas: int,
    n_tasks: int,
    n_questions: int,
    n_local: int,
    max_points: int,
    list_tokens: int,
    point_tokens: int,
    seed: int,
) -> tuple[QuestionTables, pd.DataFrame]:
    """Make evaluation questions, and ModelCalls.

    A global question names no entity of the graph; its assertions stand in the reports shown and
    in a document, so that no system is favoured by what only reports say. A local question's stand
    in its chunk. Every question written and every prompt without a usable reply ends as a query or
    as a rejection: those of `Gate` and `fault_of_points`, nothing_to_ask, too_few, no_reports, or
    an Asker's.
    """
    interview = Interview(asker, prompts, language)
    names = EntityNames(tables.entities, tables.entity_mentions, tables.documents["text"])
    gate = Gate(others, names)
    reports = show_reports(tables, max_context_tokens=max_context_tokens)
    asked: list[Asked] = []
    if n_personas and not reports:
        interview.reject("corpus", "no_reports", "no report tells what the documents are about")
    elif n_personas:
        asked = ask_as_readers(
            interview,
            reports,
            n_personas=n_personas,
            n_tasks=n_tasks,
            n_questions=n_questions,
            max_new_tokens=list_tokens,
        )
    chosen = _with_points(
        interview,
        _let_pass(interview, gate, asked),
        reports,
        tables.documents,
        max_points=max_points,
        max_new_tokens=point_tokens,
    )
    chosen += ask_about_chunks(
        interview,
        gate,
        tables.chunks,
        tables.documents,
        n=n_local,
        max_points=max_points,
        max_new_tokens=point_tokens,
        seed=seed,
    )
    return question_tables(chosen, interview.rejections), calls_table(interview.calls)


def show_reports(tables: ReadTables, *, max_context_tokens: int) -> str:
    """Join the reports that fit, in base-model tokens: coarsest first, then best rated."""
    levels = tables.communities[["community_id", "level"]]
    ordered = tables.community_reports.merge(levels, on="community_id").sort_values(
        ["level", "rating", "community_id"], ascending=[True, False, True]
    )
    shown, room = [], max_context_tokens
    for row in ordered.to_dict("records"):
        if row["n_tokens"] <= room:
            shown.append(row["text"])
            room -= row["n_tokens"]
    if not shown and len(ordered):
        # The share of its characters is about that of its tokens.
        first = ordered.iloc[0]
        return str(first["text"][: len(first["text"]) * max_context_tokens // first["n_tokens"]])
    return "\n\n".join(shown)


def _let_pass(interview: Interview, gate: Gate, asked: Sequence[Asked]) -> dict[str, Asked]:
    """Keep the questions that may be asked, by id; what is refused here costs no further call."""
    passed = {}
    for one in asked:
        if fault := gate.fault(one.text, is_global=True):
            interview.reject(one.text, *fault, one.call_id)
        else:
            passed[content_id("equery", one.text)] = one
    return passed


def _with_points(
    interview: Interview,
    asked: Mapping[str, Asked],
    reports: str,
    documents: pd.DataFrame,
    *,
    max_points: int,
    max_new_tokens: int,
) -> list[GeneratedQuestion]:
    """Ask what a good answer to each question contains; the documents that say it are evidence."""
    texts = {row["source_uri"]: Source(row["text"]) for row in documents.to_dict("records")}
    sources = [[Source(reports)], list(texts.values())]

    def check(prompt: Prompt, reply: AnswerPoints) -> tuple[str, str] | None:
        points = take_points(reply.points, most=max_points)
        return fault_of_points(asked[prompt.key].text, points, sources)

    wanted = Prompts(
        list(asked),
        lambda key: interview.write(
            "points",
            key,
            question=asked[key].text,
            reports=reports,
            n=max_points,
            most_words=MOST_WORDS,
        ),
    )
    replies = interview.ask(
        wanted,
        AnswerPoints,
        stage=POINTS,
        max_new_tokens=max_new_tokens,
        check=check,
        shown_as={key: one.text for key, one in asked.items()},
    )
    made = []
    for key, reply in replies.items():
        points = take_points(reply.record.points, most=max_points)
        evidence = [uri for uri, text in texts.items() if any(map(text.says, points))]
        one = asked[key]
        made.append(
            GeneratedQuestion(
                "global",
                one.text,
                tuple((point,) for point in points),
                tuple(evidence),
                one.persona,
                one.task,
                one.call_id,
            )
        )
    return made
