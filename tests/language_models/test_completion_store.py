from collections.abc import Sequence

import pytest

from ragtuned_kedro.language_models.boundary import Keep
from ragtuned_kedro.language_models.completion_store import CachedModel, CompletionStore
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import Completion, Message, Prompt


class Parrot:
    """Repeats the question, one batch per prompt; breaks at `breaks_at`, fails at `fails_at`."""

    def __init__(self, *, model_id: str = "parrot", breaks_at: str = "", fails_at: str = ""):
        self.model_id = model_id
        self.asked: list[str] = []
        self._breaks_at = breaks_at
        self._fails_at = fails_at

    def complete(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, keep: Keep | None = None
    ) -> list[Completion]:
        completions = []
        for prompt in prompts:
            text = prompt.messages[-1].content
            if text == self._breaks_at:
                raise KeyboardInterrupt
            self.asked.append(text)
            reason = "error" if text == self._fails_at else "stop"
            error = "failed" if text == self._fails_at else None
            completions.append(Completion(prompt.key, text, reason, 1, 1, 0.5, error))
            if keep is not None:
                keep(completions[-1:])
        return completions


def prompts_of(*texts: str) -> list[Prompt]:
    return [
        Prompt(f"key-{place}", (Message(role="user", content=text),))
        for place, text in enumerate(texts)
    ]


def complete(model: Parrot, path, *texts: str, max_new_tokens: int = 9) -> list[Completion]:
    cached = CachedModel(model, CompletionStore(path))
    return cached.complete(prompts_of(*texts), max_new_tokens=max_new_tokens)


def test_nothing_is_asked_twice(tmp_path):
    path, model = tmp_path / "store.jsonl", Parrot()
    first = complete(model, path, "a", "b", "a")
    assert [one.text for one in first] == ["a", "b", "a"]
    assert [one.key for one in first] == ["key-0", "key-1", "key-2"]
    assert complete(model, path, "b", "c")[0].text == "b"
    assert model.asked == ["a", "b", "c"]


def test_another_model_or_budget_is_another_request(tmp_path):
    path, model, other = tmp_path / "store.jsonl", Parrot(), Parrot(model_id="other")
    complete(model, path, "a")
    complete(other, path, "a")
    complete(model, path, "a", max_new_tokens=10)
    assert model.asked == ["a", "a"]
    assert other.asked == ["a"]


def test_a_killed_run_keeps_what_was_answered(tmp_path):
    path, model = tmp_path / "store.jsonl", Parrot()
    with pytest.raises(KeyboardInterrupt):
        complete(Parrot(breaks_at="c"), path, "a", "b", "c")
    complete(model, path, "a", "b", "c")
    assert model.asked == ["c"]


def test_a_cut_last_line_is_dropped_and_asked_again(tmp_path):
    path, model = tmp_path / "store.jsonl", Parrot()
    complete(model, path, "a", "b")
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    complete(model, path, "a", "b")
    assert model.asked == ["a", "b", "b"]
    assert path.read_bytes() == content


def test_a_broken_line_elsewhere_is_named(tmp_path):
    path = tmp_path / "store.jsonl"
    complete(Parrot(), path, "a")
    path.write_text("{}\n" + path.read_text())
    with pytest.raises(UserError, match="line 1"):
        CompletionStore(path)


def test_a_failed_call_is_returned_and_tried_again(tmp_path):
    path, model = tmp_path / "store.jsonl", Parrot()
    assert complete(Parrot(fails_at="b"), path, "a", "b")[1].finish_reason == "error"
    assert complete(model, path, "a", "b")[1].finish_reason == "stop"
    assert model.asked == ["b"]
