"""How prompts end: in a reply or in a refusal, with the calls that it took."""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import pandas as pd

from ragtuned_kedro.language_models.call_file import Call
from ragtuned_kedro.language_models.replies import Check
from ragtuned_kedro.schemas.call_tables import ModelCalls
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.records import Record
from ragtuned_kedro.schemas.tables import frame_of

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Errand(Generic[R]):
    """What is wanted of every prompt of one `ask_each`."""

    into: type[R]
    stage: str
    max_new_tokens: int
    check: Check | None


@dataclass(frozen=True)
class Reply(Generic[R]):
    """A usable reply and the call that gave it."""

    key: str
    record: R
    call_id: str


@dataclass(frozen=True)
class Refusal:
    """Why a prompt has no reply; `reason` is error, length, unparsable, refused or a check's."""

    key: str
    call_id: str | None
    reason: str
    detail: str


@dataclass(frozen=True)
class Settled(Generic[R]):
    """How one prompt ended, and all calls that it took."""

    outcome: Reply[R] | Refusal
    calls: tuple[Call, ...]


@dataclass
class Answered(Generic[R]):
    """How many prompts ended: replies by key, and rows for the tables of the stage."""

    replies: dict[str, Reply[R]] = field(default_factory=dict)
    rejections: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)


def call_id_of(call: Call) -> str:
    """Name a call by its request and attempt."""
    return content_id("call", call.request_sha, call.attempt)


def refusal_of(key: str, call: Call) -> Refusal:
    """Tell why a prompt was given up, from the last of its calls."""
    if call.outcome == "valid":
        return Refusal(key, call_id_of(call), "unparsable", "its kept reply no longer fits")
    reason, _, detail = (call.error or f"{call.outcome}: ").partition(": ")
    return Refusal(key, call_id_of(call), reason, detail)


def call_row(call: Call, key: str) -> dict[str, Any]:
    """Make a row of ModelCalls."""
    return {
        "call_id": call_id_of(call),
        "stage": call.stage,
        "key": key,
        "model_id": call.model_id,
        "endpoint": call.endpoint,
        "request_sha": call.request_sha,
        "attempt": call.attempt,
        "outcome": call.outcome,
        "text": call.text,
        "n_prompt_tokens": call.n_prompt_tokens,
        "n_completion_tokens": call.n_completion_tokens,
        "seconds": call.seconds,
        "error": call.error,
    }


def calls_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Make ModelCalls; a call that served several prompts is one row, of the first of them."""
    return frame_of(
        ModelCalls, list({row["call_id"]: row for row in reversed(rows)}.values())[::-1]
    )
