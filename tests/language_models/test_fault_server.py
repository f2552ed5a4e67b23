"""Laws of asking an endpoint that fails: nothing is lost, asked twice or kept unusable."""

import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.schemas.errors import UserError
from tests.language_models.endpoints import Square, item_prompts, open_asker, open_model
from tests.language_models.fault_server import ANSWERED_FAULTS, FAULTS, FaultServer


def ask(server: FaultServer, path: Path, n: int, **settings: object):  # type: ignore[no-untyped-def]
    asker = open_asker(server.url, path, **settings)
    return asker.ask_all(item_prompts(n), Square, stage="squares", max_new_tokens=64)


def test_with_a_third_of_all_requests_failing_nothing_is_lost_or_asked_twice(tmp_path):
    n, path = 150, tmp_path / "store.sqlite"
    with FaultServer(share=0.3, seed=3) as server:
        answered = ask(server, path, n)
        assert len(answered.replies) == n
        assert not answered.rejections
        for key, reply in answered.replies.items():
            assert reply.record.square == reply.record.item**2 == int(key[4:]) ** 2
        assert set(server.successes().values()) == {1}
        assert {one.fault for one in server.asked()} == {None, *FAULTS}
        n_asked = len(server.log)
        again = ask(server, path, n)
        assert len(server.log) == n_asked
        assert again.replies == answered.replies
        assert again.calls == answered.calls


def test_only_usable_replies_have_a_text_in_the_store(tmp_path):
    path = tmp_path / "store.sqlite"
    with FaultServer(share=0.5, faults=ANSWERED_FAULTS) as server:
        answered = ask(server, path, 60)
    assert len(answered.replies) + len(answered.rejections) == 60
    rows = sqlite3.connect(path).execute("SELECT outcome, text FROM calls").fetchall()
    assert {outcome for outcome, _ in rows} == {"valid", "invalid", "length"}
    for outcome, text in rows:
        assert (text is None) == (outcome != "valid")
        assert text is None or "token" in text or Square.model_validate_json(text)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone_is_survived(tmp_path, fault):
    with FaultServer(share=0.4, faults=[fault], seed=5, retry_after="0.1") as server:
        answered = ask(server, tmp_path / "store.sqlite", 12, max_attempts=12)
        assert len(answered.replies) == 12
        assert set(server.successes().values()) == {1}


@pytest.mark.slow
def test_a_fault_costs_less_than_twice_the_ideal_time(tmp_path):
    n, latency, concurrency = 700, 0.2, 16
    with FaultServer(share=0.3, latency=latency, seed=2) as server:
        started = time.monotonic()
        answered = ask(
            server,
            tmp_path / "store.sqlite",
            n,
            concurrency=concurrency,
            call_timeout_seconds=1.0,
        )
        seconds = time.monotonic() - started
    assert len(answered.replies) == n
    ideal = n * latency / concurrency
    print(f"{seconds:.1f} s, ideal {ideal:.1f} s, ratio {seconds / ideal:.2f}")
    assert seconds < 2 * ideal


def test_a_cut_reply_is_given_more_room_and_an_invalid_one_is_shown_its_fault(tmp_path):
    def answer(body: dict) -> str:
        if body["max_tokens"] < 128:
            return '{"item": 3, "squ'
        if "could not be used" not in body["messages"][-1]["content"]:
            return '{"item": 3}'
        return '```json\n{"item": 3, "square": 9}\n``` I hope this helps.'

    with FaultServer(answer=answer) as server:
        answered = ask(server, tmp_path / "store.sqlite", 1)
    assert answered.replies["key-0"].record == Square(item=3, square=9)


def test_a_reply_that_stays_unusable_is_a_rejection_and_is_not_paid_for_again(tmp_path):
    path = tmp_path / "store.sqlite"
    with FaultServer(answer=lambda body: "I would rather not.") as server:
        answered = ask(server, path, 3, max_attempts=2)
        assert [row["reason"] for row in answered.rejections] == ["unparsable"] * 3
        n_asked = len(server.log)
        assert ask(server, path, 3, max_attempts=2).rejections == answered.rejections
        assert len(server.log) == n_asked
        server.answer = None
        assert len(ask(server, path, 3, max_attempts=3).replies) == 3


def test_a_dead_endpoint_stops_the_run_and_says_how_to_resume(tmp_path):
    path = tmp_path / "store.sqlite"
    with FaultServer() as server:
        ask(server, path, 5)
    with pytest.raises(UserError, match="same command again to go on") as stopped:
        ask(server, path, 50, dead_after_seconds=0.3, dead_after_failures=10)
    assert server.url in str(stopped.value)
    assert len(CompletionStore(path)) == 5 + 1


def test_a_prompt_without_an_answer_in_time_is_a_rejection_that_the_next_run_asks_again(tmp_path):
    path = tmp_path / "store.sqlite"
    with FaultServer(share=1.0, faults=["500"]) as server:
        late = {"total_timeout_seconds": 0.3, "dead_after_failures": 10_000}
        answered = ask(server, path, 4, **late)
        assert [row["reason"] for row in answered.rejections] == ["error"] * 4
        server.share = 0.0
        assert len(ask(server, path, 4).replies) == 4


def test_a_wrong_key_stops_at_once_and_is_never_shown(tmp_path):
    with FaultServer(status=401) as server:
        model = open_model(server.url, key="sk-very-secret-key")
        with pytest.raises(UserError, match=r"conf/local/credentials\.yml") as stopped:
            model.complete(item_prompts(3), max_new_tokens=8)
    told = f"{stopped.value} {stopped.value.__cause__} {model!r} {vars(model)}"
    assert "sk-very-secret-key" not in told
    assert server.log[0].headers["authorization"] == "Bearer sk-very-secret-key"


def test_retry_after_is_honoured(tmp_path):
    with FaultServer(share=1.0, faults=["429 with Retry-After"], retry_after="1") as server:
        threading.Timer(0.5, lambda: setattr(server, "share", 0.0)).start()
        asker = open_asker(server.url, tmp_path / "store.sqlite", concurrency=1)
        answered = asker.complete(item_prompts(1), max_new_tokens=8)
    assert answered[0].finish_reason == "stop"
    first, second = server.asked()
    assert second.started - first.started >= 1.0


def test_plain_completions_come_in_order_and_from_the_store(tmp_path):
    path = tmp_path / "store.sqlite"
    with FaultServer(share=0.3, seed=4, retry_after="0.1") as server:
        prompts = item_prompts(20)
        first = open_asker(server.url, path).complete(prompts, max_new_tokens=8)
        assert [one.key for one in first] == [prompt.key for prompt in prompts]
        n_asked = len(server.log)
        assert open_asker(server.url, path).complete(prompts, max_new_tokens=8) == first
        assert len(server.log) == n_asked


# An answer that comes after the time-out is paid for and asked for again; on a busy machine half a
# second is soon over.
CLIENT = """
import json, sys
from pathlib import Path
from tests.language_models.endpoints import Square, item_prompts, open_asker
asker = open_asker(sys.argv[1], Path(sys.argv[2]), call_timeout_seconds=3)
answered = asker.ask_all(item_prompts(int(sys.argv[3])), Square, stage="s", max_new_tokens=64)
print(json.dumps({key: reply.record.square for key, reply in answered.replies.items()}))
"""


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing_and_nothing_answered_is_asked_again(tmp_path):
    n, path = 500, tmp_path / "store"
    with FaultServer(share=0.3, latency=0.15, seed=6) as server:
        command = [sys.executable, "-c", CLIENT, server.url, str(path), str(n)]
        chance = random.Random(8)
        n_under_way = []
        for _ in range(10):
            n_before = len(server.log)
            client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while len(server.log) == n_before and client.poll() is None:
                time.sleep(0.01)
            time.sleep(chance.uniform(0.1, 1.5))
            assert client.poll() is None, "it was to be killed in the middle of its work"
            client.kill()
            n_under_way.append(sum(one.finished is None for one in server.asked()))
            client.wait()
        finished = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        squares = json.loads(finished.stdout)
    with FaultServer(latency=0.0) as untroubled:
        whole = ask(untroubled, tmp_path / "whole", n)
    assert squares == {key: reply.record.square for key, reply in whole.replies.items()}
    assert len(squares) == n
    assert any(n_under_way), "the kills were to hit calls under way"
    assert set(server.successes().values()) == {1}
