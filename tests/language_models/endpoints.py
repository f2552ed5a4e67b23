"""Endpoints for tests: short time-outs, no limits, no prices."""

from pathlib import Path

from pydantic import Field, SecretStr

from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.openai_compatible import OpenAiCompatibleModel
from ragtuned_kedro.schemas.endpoint_parameters import (
    EndpointParams,
    LimitParams,
    ReplyParams,
    SamplingParams,
    SpendingParams,
)
from ragtuned_kedro.schemas.records import Message, Prompt, Record

LIMITS = {
    "concurrency": 8,
    "requests_per_minute": None,
    "tokens_per_minute": None,
    "call_timeout_seconds": 0.5,
    "total_timeout_seconds": 60,
    "first_backoff_seconds": 0.02,
    "max_backoff_seconds": 0.5,
    "dead_after_failures": 20,
    "dead_after_seconds": 2,
}
SPENDING = {
    "currency": "EUR",
    "prompt_price": 0,
    "completion_price": 0,
    "max_calls": None,
    "max_tokens": None,
    "max_money": None,
}


class Square(Record):
    """A number and its square."""

    item: int
    square: int = Field(description="item times item")


def endpoint_params(
    url: str,
    *,
    model: str = "stub",
    max_attempts: int = 6,
    egress: str = "local_only",
    **limits: object,
) -> EndpointParams:
    return EndpointParams(
        url=url,
        model=model,
        egress=egress,
        sampling=SamplingParams(temperature=0, top_p=1, seed=1),
        limits=LimitParams(**LIMITS | limits),
        replies=ReplyParams(max_attempts=max_attempts, max_new_tokens=256),
        spending=SpendingParams(**SPENDING),
    )


def open_model(url: str, *, key: str | None = None, **settings: object) -> OpenAiCompatibleModel:
    secret = SecretStr(key) if key else None
    return OpenAiCompatibleModel(endpoint_params(url, **settings), api_key=secret)


def open_asker(url: str, path: Path, *, spending: dict | None = None, **settings: object) -> Asker:
    params = endpoint_params(url, **settings)
    return Asker(
        OpenAiCompatibleModel(params),
        CompletionStore(path),
        replies=params.replies,
        spending=SpendingParams(**SPENDING | (spending or {})),
        role="teacher",
    )


def item_prompts(n: int) -> list[Prompt]:
    return [item_prompt(number) for number in range(n)]


def item_prompt(number: int) -> Prompt:
    return Prompt(f"key-{number}", (Message(role="user", content=f"Square item {number}."),))
