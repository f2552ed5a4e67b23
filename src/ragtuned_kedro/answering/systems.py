"""A system under test: a name and a language model; and the one way in which it is asked."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ragtuned_kedro.language_models.boundary import LanguageModel
from ragtuned_kedro.language_models.completion_store import CachedModel, CompletionStore
from ragtuned_kedro.schemas.records import Message, Prompt
from ragtuned_kedro.schemas.tables import Answers, frame_of


@dataclass(frozen=True)
class System:
    """What answers, under the name that stands in the tables."""

    name: str
    model: LanguageModel


def build_prompt(key: str, query: str, *, system_prompt: str) -> Prompt:
    """Ask a query alone: no retrieved text, no earlier turns, the prompt of the training."""
    asked = Message(role="user", content=query)
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
) -> pd.DataFrame:
    """Ask `system` every query once and return Answers, sorted by query_id.

    Completions are kept in `completion_folder` batch by batch, and known ones are not asked for
    again, so a run that was killed goes on where it was.
    """
    store = CompletionStore(completion_folder / "completions.sqlite")
    asked = queries.sort_values("query_id")
    prompts = [
        build_prompt(query_id, text, system_prompt=system_prompt)
        for query_id, text in zip(asked["query_id"], asked["text"], strict=True)
    ]
    completions = CachedModel(system.model, store, stage=f"{system.name}.answers").complete(
        prompts, max_new_tokens=max_new_tokens
    )
    return frame_of(
        Answers,
        [
            {
                "query_id": one.key,
                "system": system.name,
                "sample": 0,
                "text": one.text,
                "finish_reason": one.finish_reason,
                "n_prompt_tokens": one.n_prompt_tokens,
                "n_completion_tokens": one.n_completion_tokens,
                "first_token_seconds": None,
                "seconds": one.seconds,
                "peak_memory_bytes": 0,
                "error": one.error,
            }
            for one in completions
        ],
    )
