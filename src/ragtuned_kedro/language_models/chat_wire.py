"""Chat requests and answers as they travel over HTTP."""

import json
from typing import Any

from pydantic import BaseModel, Field

from ragtuned_kedro.language_models.boundary import ReplyMode, RequestRefusedError
from ragtuned_kedro.schemas.records import Completion, Prompt


class _Message(BaseModel):
    content: str | None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class _Answer(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


def request_body(
    model: str,
    sampling: dict[str, Any],
    prompt: Prompt,
    max_new_tokens: int,
    *,
    schema: dict[str, Any] | None,
    mode: ReplyMode,
) -> bytes:
    """Write a request; `schema` is asked for as `mode` says."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": m.content} for m in prompt.messages],
        "max_tokens": max_new_tokens,
        **sampling,
    }
    if schema is not None and mode == "json_object":
        body["response_format"] = {"type": "json_object"}
    if schema is not None and mode == "json_schema":
        wanted = {"name": "reply", "strict": True, "schema": schema}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return json.dumps(body, ensure_ascii=False).encode()


def read_answer(prompt: Prompt, content: bytes, seconds: float) -> Completion:
    """Read a whole answer.

    Raises:
        ValidationError: If it is no chat completion, which then counts as a fault.
        RequestRefusedError: If the endpoint's filter withheld the reply.
    """
    answer = _Answer.model_validate_json(content)
    choice = answer.choices[0]
    if choice.finish_reason == "content_filter":
        raise RequestRefusedError("the endpoint's content filter withheld the reply")
    text = choice.message.content or ""
    usage = answer.usage
    if usage is None:
        # Costs must be counted, and a token is at least one byte.
        n_prompt = sum(len(message.content.encode()) for message in prompt.messages)
        usage = _Usage(prompt_tokens=n_prompt, completion_tokens=len(text.encode()))
    return Completion(
        key=prompt.key,
        text=text,
        finish_reason="length" if choice.finish_reason == "length" else "stop",
        n_prompt_tokens=usage.prompt_tokens,
        n_completion_tokens=usage.completion_tokens,
        seconds=seconds,
    )
