import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from ragtuned_kedro.language_models.boundary import Keep
from ragtuned_kedro.language_models.call_file import Call
from ragtuned_kedro.language_models.completion_store import CachedModel, CompletionStore
from ragtuned_kedro.language_models.store_command import main
from ragtuned_kedro.language_models.store_upkeep import export, prune, summarise
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


def test_a_file_that_is_no_store_is_named(tmp_path):
    path = tmp_path / "store.jsonl"
    path.write_text('{"request_sha": "1"}\n' * 99)
    with pytest.raises(UserError, match=r"store\.jsonl"):
        complete(Parrot(), path, "a")


def call_of(number: int, *, outcome: str = "valid", stage: str = "tests") -> Call:
    text = f"text {number}" if outcome == "valid" else None
    return Call(f"sha-{number}", 0, stage, "m", "here", outcome, text, "stop", 3, 2, 0.1)


def test_an_unusable_reply_cannot_be_kept_as_a_text(tmp_path):
    store = CompletionStore(tmp_path / "store.sqlite")
    with pytest.raises(UserError, match="CHECK"):
        store.add_call(dataclasses.replace(call_of(1), outcome="invalid"))
    assert len(store) == 0


def test_of_two_writers_of_one_call_the_first_wins(tmp_path):
    one, other = (CompletionStore(tmp_path / "store.sqlite") for _ in range(2))
    one.add_call(call_of(1))
    other.add_call(dataclasses.replace(call_of(1), text="later"))
    assert [call.text for call in other.calls_of("sha-1")] == ["text 1"]


def test_many_threads_write_one_store_without_losing_a_call(tmp_path):
    stores = [CompletionStore(tmp_path / "store.sqlite") for _ in range(3)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda n: stores[n % 3].add_call(call_of(n)), range(300)))
    assert len(CompletionStore(tmp_path / "store.sqlite")) == 300


WRITER = """
import sys
from pathlib import Path
from tests.language_models.test_completion_store import CompletionStore, call_of
store = CompletionStore(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    store.add_call(call_of(number))
    print(number, flush=True)
"""


def test_what_a_process_kept_survives_its_kill_and_other_processes_write_on(tmp_path):
    path = tmp_path / "store.sqlite"
    command = [sys.executable, "-c", WRITER, str(path)]
    killed = subprocess.Popen([*command, "0", "100000"], stdout=subprocess.PIPE, text=True)
    beside = subprocess.Popen([*command, "200000", "200050"], stdout=subprocess.DEVNULL)
    assert killed.stdout is not None
    kept = [int(killed.stdout.readline()) for _ in range(200)]
    killed.kill()
    killed.communicate()
    assert beside.wait(60) == 0
    store = CompletionStore(path)
    assert all(store.get(f"sha-{number}") for number in [*kept, *range(200000, 200050)])


def test_a_store_is_listed_exported_and_pruned(tmp_path):
    store = CompletionStore(tmp_path / "store.sqlite")
    for number in range(3):
        store.add_call(call_of(number))
    store.add_call(call_of(3, outcome="invalid", stage="other"))
    assert [(row["stage"], row["n_calls"]) for row in summarise(store)] == [
        ("other", 1),
        ("tests", 3),
    ]
    assert [row["text"] for row in export(store)] == ["text 0", "text 1", "text 2", None]
    assert prune(store, before="2001-01-01") == 0
    assert prune(store, outcome="invalid") == 1
    assert prune(store, stage="tests", model_id="m") == 3
    assert summarise(store) == []


def test_a_failed_call_is_returned_and_tried_again(tmp_path):
    path, model = tmp_path / "store.jsonl", Parrot()
    assert complete(Parrot(fails_at="b"), path, "a", "b")[1].finish_reason == "error"
    assert complete(model, path, "a", "b")[1].finish_reason == "stop"
    assert model.asked == ["b"]


def test_the_command_lists_exports_and_prunes_but_never_everything_by_mistake(tmp_path, capsys):
    path = tmp_path / "store.sqlite"
    assert main([str(path), "list"]) == 1
    CompletionStore(path).add_call(call_of(1))
    assert main([str(path), "list"]) == 0
    assert "tests\tm\there\tvalid\t1" in capsys.readouterr().out
    assert main([str(path), "export"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "text 1"
    with pytest.raises(SystemExit):
        main([str(path), "prune"])
    assert main([str(path), "prune", "--stage", "other"]) == 0
    assert main([str(path), "prune", "--all"]) == 0
    assert len(CompletionStore(path)) == 0
