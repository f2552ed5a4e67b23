"""Replies that have a shape: read tolerantly, checked strictly, asked for again within bounds."""

import json
from collections.abc import Callable

import pytest
from pydantic import Field

from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.replies import (
    UnusableReplyError,
    ask_for_shape,
    parse_reply,
    strict_schema,
)
from ragtuned_kedro.language_models.scripted import ScriptedModel
from ragtuned_kedro.schemas.call_tables import ModelCalls
from ragtuned_kedro.schemas.endpoint_parameters import ReplyParams, SpendingParams
from ragtuned_kedro.schemas.records import Message, Prompt, Record
from ragtuned_kedro.schemas.tables import Rejections, frame_of
from tests.language_models.endpoints import SPENDING, Square, item_prompts


class Shape(Record):
    """A record with everything that a schema may hold."""

    title: str = Field(description="at most five words")
    squares: tuple[Square, ...]
    is_good: bool


GOOD = '{"item": 2, "square": 4}'


def scripted(path, script: Callable[[Prompt], str], max_attempts: int = 3) -> Asker:
    return Asker(
        ScriptedModel(script),
        CompletionStore(path),
        replies=ReplyParams(max_attempts=max_attempts, max_new_tokens=64),
        spending=SpendingParams(**SPENDING),
        role="teacher",
    )


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Sure! Here it is:\n{GOOD}\nAnything else?",
        f"<think>{{not this}} {{}}</think>{GOOD}",
        f'An example is {{"a": 1}}, and the reply {GOOD}',
        GOOD + GOOD,
    ],
)
def test_fences_thoughts_and_talk_around_a_reply_are_let_be(text):
    assert parse_reply(text, Square) == Square(item=2, square=4)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("no idea", "no JSON object"),
        ('{"item": 2', "no valid JSON"),
        ('{"item": 2}', "square: Field required"),
        ('{"item": "two", "square": 4}', "item"),
        ('{"item": 2, "square": 4, "more": 1}', "more: Extra inputs"),
        ("[1, 2]", "no JSON object"),
    ],
)
def test_an_unusable_reply_says_what_to_mend(text, fault):
    with pytest.raises(UnusableReplyError, match=fault):
        parse_reply(text, Square)


def test_the_shape_is_shown_and_the_schema_is_closed():
    shown = ask_for_shape(Prompt("k", (Message(role="user", content="Go."),)), Shape)
    drawn = json.loads(shown.messages[-1].content.split("nothing else:\n")[1])
    assert list(drawn) == ["title", "squares", "is_good"]
    assert list(drawn["squares"][0]) == ["item", "square"]
    assert "five words" in drawn["title"]
    schema = strict_schema(Shape)
    inner = schema["properties"]["squares"]["items"]
    assert schema["additionalProperties"] is inner["additionalProperties"] is False
    assert schema["required"] == ["title", "squares", "is_good"]
    assert "$ref" not in json.dumps(schema)


def test_every_key_ends_once_as_a_reply_or_as_a_rejection(tmp_path):
    def script(prompt: Prompt) -> str:
        n = int(prompt.messages[0].content.split("item ")[1].split(".")[0])
        return json.dumps({"item": n, "square": n * n}) if n % 3 else "?"

    answered = scripted(tmp_path / "s", script).ask_all(
        item_prompts(9), Square, stage="s", max_new_tokens=32
    )
    rejections = frame_of(Rejections, answered.rejections)
    calls = frame_of(ModelCalls, answered.calls)
    assert set(answered.replies) | set(rejections["key"]) == {f"key-{n}" for n in range(9)}
    assert set(rejections["key"]) == {"key-0", "key-3", "key-6"}
    assert set(rejections["call_id"]) <= set(calls["call_id"])
    assert len(calls) == 6 + 3 * 3
    assert (calls["text"].isna() == (calls["outcome"] != "valid")).all()


def test_a_check_is_shown_to_the_model_and_names_its_reason(tmp_path):
    def script(prompt: Prompt) -> str:
        told = "square is not" in prompt.messages[-1].content
        return GOOD if told else '{"item": 2, "square": 5}'

    def check(_: Prompt, record: Square) -> tuple[str, str] | None:
        right = record.square == record.item**2
        return None if right else ("wrong", "the square is not the item's square is not right")

    one = item_prompts(1)
    asked = {"stage": "s", "max_new_tokens": 32, "check": check}
    answered = scripted(tmp_path / "a", script).ask_all(one, Square, **asked)
    assert answered.replies["key-0"].record.square == 4
    stubborn = scripted(tmp_path / "b", lambda _: '{"item": 2, "square": 5}')
    assert stubborn.ask_all(one, Square, **asked).rejections[0]["reason"] == "wrong"


def test_equal_prompts_are_asked_once_and_all_get_the_reply(tmp_path):
    model = ScriptedModel(lambda _: GOOD)
    asker = scripted(tmp_path / "s", lambda _: GOOD)
    asker._paid.model = model
    twins = [Prompt(f"key-{n}", (Message(role="user", content="Same."),)) for n in range(5)]
    answered = asker.ask_all(twins, Square, stage="s", max_new_tokens=32)
    assert len(model.asked) == 1
    assert len(answered.replies) == 5
    assert len(answered.calls) == 1


def test_another_model_sampling_or_room_is_another_request(tmp_path):
    asked = []
    for room in (30, 31):
        for name in ("one", "other"):
            for sampling in ({"temperature": 0}, {"temperature": 1}):
                asker = scripted(tmp_path / "s", lambda _: GOOD)
                model = ScriptedModel(lambda _: GOOD, model_id=name)
                model.sampling = sampling
                asker._paid.model = model
                asker.ask_all(item_prompts(1), Square, stage="s", max_new_tokens=room)
                asked.append(len(model.asked))
    assert asked == [1] * 8
