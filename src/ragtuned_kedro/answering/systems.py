"""A system under test, and the one way in which every system is asked."""

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from ragtuned_kedro.answering.evidence import Evidence
from ragtuned_kedro.language_models.boundary import LanguageModel
from ragtuned_kedro.language_models.completion_store import CachedModel, CompletionStore
from ragtuned_kedro.schemas.answering_tables import Answers, Retrievals
from ragtuned_kedro.schemas.records import Completion, Message, Prompt
from ragtuned_kedro.schemas.tables import frame_of


@dataclass(frozen=True)
class Query:
    """A question under its id."""

    query_id: str
    text: str


# Queries, and the system's own model, in; one Evidence for each query, in the same order, out.
Gather = Callable[[Sequence[Query], LanguageModel], list[Evidence]]


@dataclass(frozen=True)
class System:
    """What answers, under the name that stands in the tables.

    `gather` finds what a query is answered from; null is closed book. `template` is what the
    model is asked: {question} and {evidence} stand for themselves.
    """

    name: str
    model: LanguageModel
    template: str = "{question}"
    gather: Gather | None = None


def fill_template(template: str, **values: str) -> str:
    """Put `values` in place of {name}; what stands in a value is never read as a name."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), template)


def build_prompt(key: str, content: str, *, system_prompt: str) -> Prompt:
    """Ask `content` alone: no earlier turns, the system prompt of the training."""
    asked = Message(role="user", content=content)
    if not system_prompt:
        return Prompt(key, (asked,))
    return Prompt(key, (Message(role="system", content=system_prompt), asked))


def answer_queries(
    system: System,
    queries: pd.DataFrame,
    *,
    completion_folder: Path,
    system_prompt: str,
    max_new_tokens: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask `system` every query once and return Answers and Retrievals, sorted by query_id.

    Completions are kept in `completion_folder` batch by batch, and known ones are not asked for
    again, so a run that was killed goes on where it was.
    """
    store = CompletionStore(completion_folder / "completions.sqlite")
    with closing(store):
        model = CachedModel(system.model, store, stage=f"{system.name}.answers")
        ordered = queries.sort_values("query_id")
        asked = [Query(*pair) for pair in zip(ordered["query_id"], ordered["text"], strict=True)]
        found = (
            [Evidence(query.query_id, "") for query in asked]
            if system.gather is None
            else system.gather(asked, model)
        )
        prompts = [
            build_prompt(
                query.query_id,
                fill_template(system.template, question=query.text, evidence=evidence.text),
                system_prompt=system_prompt,
            )
            for query, evidence in zip(asked, found, strict=True)
            if evidence.needs_model
        ]
        completed = {one.key: one for one in model.complete(prompts, max_new_tokens=max_new_tokens)}
    return (
        frame_of(
            Answers,
            [
                _answer(system.name, completed.get(one.query_id) or _unasked(one), one)
                for one in found
            ],
        ),
        frame_of(Retrievals, [row for one in found for row in one.rows(system.name)]),
    )


def _unasked(evidence: Evidence) -> Completion:
    """Stand in for a model that was not asked: the evidence is the reply, or the error."""
    finish: Literal["stop", "error"] = "error" if evidence.error else "stop"
    reply = evidence.reply or ""
    return Completion(evidence.query_id, reply, finish, 0, 0, 0.0, evidence.error, 0.0)


def _answer(system: str, completion: Completion, evidence: Evidence) -> dict:
    """Add what the evidence cost to what the answer cost."""
    first = completion.first_token_seconds
    return {
        "query_id": completion.key,
        "system": system,
        "sample": 0,
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "n_prompt_tokens": completion.n_prompt_tokens + evidence.n_prompt_tokens,
        "n_completion_tokens": completion.n_completion_tokens + evidence.n_completion_tokens,
        "first_token_seconds": None if first is None else first + evidence.seconds,
        "seconds": completion.seconds + evidence.seconds,
        "peak_memory_bytes": max(completion.peak_memory_bytes, evidence.peak_memory_bytes),
        "error": completion.error,
    }
