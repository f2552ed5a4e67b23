"""What is sent is written down before it leaves, whether or not an answer comes."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragtuned_kedro.datasets.calls import SendingsDataset
from ragtuned_kedro.language_models.call_file import Sending
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.leaving import Leaving
from ragtuned_kedro.schemas.errors import UserError
from tests.language_models.embedding_server import serve_embeddings
from tests.language_models.endpoints import Square, item_prompts, open_asker
from tests.language_models.fault_server import FaultServer
from tests.language_models.test_embedding_endpoint import TEXTS, open_embedder

ASKED: dict[str, Any] = {"into": Square, "stage": "square", "max_new_tokens": 64}


def sent_keys(path: Path) -> list[str]:
    return sorted(one.key for one in CompletionStore(path).sendings())


def keys(n: int) -> list[str]:
    return sorted(prompt.key for prompt in item_prompts(n))


def test_a_prompt_stands_in_the_store_before_the_endpoint_has_it(tmp_path):
    path, missing = tmp_path / "store", []

    def answer(body: dict[str, Any]) -> str:
        found = re.search(r"item (\d+)", body["messages"][-1]["content"])
        if found is None:
            return "A probe."
        item = int(found[1])
        if f"key-{item}" not in sent_keys(path):
            missing.append(item)
        return json.dumps({"item": item, "square": item * item})

    with FaultServer(latency=0.0, answer=answer) as server:
        answered = open_asker(server.url, path).ask_all(item_prompts(40), **ASKED)
    assert len(answered.replies) == 40
    assert not missing
    assert sent_keys(path) == keys(40)


def test_a_call_that_no_answer_comes_to_has_left_all_the_same(tmp_path):
    path = tmp_path / "store"
    hurried = {"total_timeout_seconds": 0.1, "dead_after_failures": 1000}
    with FaultServer(share=1.0, faults=("500",), latency=0.0) as server:
        answered = open_asker(server.url, path, **hurried).ask_all(item_prompts(5), **ASKED)
        again = open_asker(server.url, path, **hurried).ask_all(item_prompts(5), **ASKED)
    assert {row["reason"] for row in answered.rejections + again.rejections} == {"error"}
    # Sent twice, it is the same call.
    assert sent_keys(path) == keys(5)
    assert CompletionStore(path).spent("stub", server.url) == (0, 0, 0)


def test_a_reply_that_does_not_fit_was_sent_once_for_each_attempt(tmp_path):
    path = tmp_path / "store"
    with FaultServer(latency=0.0, answer=lambda _: "No.") as server:
        open_asker(server.url, path, max_attempts=3).ask_all(item_prompts(2), **ASKED)
    sent = CompletionStore(path).sendings()
    assert sorted((one.key, one.attempt) for one in sent) == [
        (key, attempt) for key in keys(2) for attempt in range(3)
    ]
    assert {(one.stage, one.model_id, one.endpoint) for one in sent} == {
        ("square", "stub", server.url)
    }


def test_what_never_left_is_not_listed(tmp_path):
    path = tmp_path / "store"
    with FaultServer(latency=0.0) as first, FaultServer(latency=0.0) as second:
        open_asker(first.url, path).ask_all(item_prompts(3), **ASKED)
        # Its replies are known, so another endpoint of the same name is not sent their prompts.
        open_asker(second.url, path).ask_all(item_prompts(3), **ASKED)
        capped = open_asker(second.url, path, spending={"max_calls": 0})
        with pytest.raises(UserError, match="max_calls"):
            capped.complete(item_prompts(9), max_new_tokens=8)
    assert {one.endpoint for one in CompletionStore(path).sendings()} == {first.url}


def test_calls_that_wait_together_are_written_together_and_no_earlier(tmp_path):
    store = CompletionStore(tmp_path / "store")
    leaving = Leaving(store)
    numbers = [leaving.note(Sending(f"{n}", 0, "s", f"key-{n}", "m", "e")) for n in range(4)]
    leaving.forget(numbers[0])
    assert store.sendings() == []
    leaving.write(numbers[1])
    assert [one.key for one in store.sendings()] == ["key-1", "key-2", "key-3"]
    late = leaving.note(Sending("4", 0, "s", "key-4", "m", "e"))
    leaving.write(numbers[2])
    assert len(store.sendings()) == 3
    leaving.write(late)
    assert len(store.sendings()) == 4


def test_texts_that_no_vector_came_for_were_sent_all_the_same(tmp_path):
    path = tmp_path / "store"
    with serve_embeddings() as server:
        server.drops_last = True
        hurried = {"total_timeout_seconds": 0.1, "dead_after_failures": 1000}
        embedder = open_embedder(server.url, path, limits=hurried)
        with pytest.raises(UserError, match="1 vectors"):
            embedder(TEXTS[:2])
        assert sent_keys(path) == sorted(embedder.request_sha(text) for text in TEXTS[:2])
        assert embedder.calls().empty
        server.drops_last = False
        assert isinstance(embedder(TEXTS), np.ndarray)
    calls = embedder.calls()
    assert sorted(calls["key"]) == sent_keys(path)
    assert calls["n_prompt_tokens"].sum() == sum(len(text.split()) for text in set(TEXTS))
    assert set(calls["stage"]) == {"embed"}


def test_sendings_load_without_rows_where_nothing_was_ever_sent(tmp_path):
    dataset = SendingsDataset(filepath=str(tmp_path / "store"))
    assert dataset.load().empty
    CompletionStore(tmp_path / "store").add_sendings([Sending("r", 0, "s", "key", "m", "e")])
    assert dataset.load()["key"].tolist() == ["key"]
