"""Replies that have a shape: how the shape is asked for, and how a reply is read into it."""

import functools
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from ragtuned_kedro.schemas.records import Message, Prompt, Record

R = TypeVar("R", bound=Record)
# Refuses a record for what it says: the reason, and the detail that the model is shown.
Check = Callable[[Prompt, R], tuple[str, str] | None]
# A model that thinks aloud before it answers.
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_MAX_FAULTS = 5


class UnusableReplyError(Exception):
    """A reply that does not fit; the message tells the model what to mend."""


def parse_reply(text: str, into: type[R]) -> R:
    """Read the first JSON object in `text` that fits `into`; fences and talk around it are let be.

    Raises:
        UnusableReplyError: If there is none.
    """
    fault = "it holds no JSON object"
    decoder = json.JSONDecoder(strict=False)
    text = _THOUGHT.sub("", text)
    place = text.find("{")
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
        except ValueError as error:
            fault = fault if fault.startswith("it does not fit") else f"no valid JSON: {error}"
            end = place + 1
        else:
            try:
                return into.model_validate(value)
            except ValidationError as error:
                fault = f"it does not fit: {_explain(error)}"
        place = text.find("{", end)
    raise UnusableReplyError(fault)


def read_reply(text: str, prompt: Prompt, into: type[R], check: Check[R] | None) -> R | str:
    """Read a reply to `prompt`; a string is why it cannot be used."""
    try:
        record = parse_reply(text, into)
    except UnusableReplyError as error:
        return f"unparsable: {error}"
    refused = check(prompt, record) if check else None
    return f"{refused[0]}: {refused[1]}" if refused else record


def _explain(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False)
    shown = [f"{'.'.join(map(str, one['loc'])) or 'reply'}: {one['msg']}" for one in faults]
    more = len(shown) - _MAX_FAULTS
    return "; ".join(shown[:_MAX_FAULTS]) + (f"; and {more} more" if more > 0 else "")


def ask_for_shape(prompt: Prompt, into: type[Record]) -> Prompt:
    """Add to the last message what a reply looks like, the same for every server.

    Servers that enforce a JSON schema do not need it, but the prompt is part of what names a reply
    in the store and must not depend on the server.
    """
    return _append(
        prompt,
        f"Reply with one JSON object of this shape, and with nothing else:\n{_shape_of(into)}",
    )


def show_fault(prompt: Prompt, fault: str) -> Prompt:
    """Add to the last message why the last reply could not be used."""
    return _append(
        prompt, f"Your last reply could not be used: {fault}.\nReply again, and mend that."
    )


def _append(prompt: Prompt, text: str) -> Prompt:
    *earlier, last = prompt.messages
    longer = Message(role=last.role, content=f"{last.content.rstrip()}\n\n{text}")
    return Prompt(prompt.key, (*earlier, longer))


@functools.cache
def strict_schema(into: type[Record]) -> dict[str, Any]:
    """Give the JSON schema of a record as strict servers want it: inlined, every key required."""
    schema = into.model_json_schema()
    definitions = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inline(schema, definitions)
    return inlined


def _inline(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inline(one, definitions) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inline(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    kept = {k: _inline(v, definitions) for k, v in node.items() if k not in {"title", "default"}}
    if "properties" in node:
        kept["properties"] = {
            name: _inline(one, definitions) for name, one in node["properties"].items()
        }
        kept["required"] = list(node["properties"])
    return kept


@functools.cache
def _shape_of(into: type[Record]) -> str:
    """Draw a record as an example whose values say what stands there."""
    schema = into.model_json_schema()

    def draw(node: dict[str, Any]) -> Any:
        if "properties" in node:
            return {name: draw(one) for name, one in node["properties"].items()}
        if node.get("type") == "array":
            return [draw(node["items"])]
        if "enum" in node or "const" in node:
            return " | ".join(map(str, node.get("enum", [node.get("const")])))
        kind = {"string": "text"}.get(node.get("type", "text"), node.get("type", "text"))
        about = node.get("description")
        return f"<{kind}: {about}>" if about else f"<{kind}>"

    drawn = draw(_inline(schema, schema.get("$defs", {})))
    return json.dumps(drawn, ensure_ascii=False, indent=1)
