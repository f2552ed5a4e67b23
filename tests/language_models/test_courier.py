"""Laws of the process that carries calls: what was sent is answered once, whoever is killed."""

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.call_file import Arrival
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.courier import channel
from ragtuned_kedro.language_models.courier.frames import Frame, FrameReader, Kind
from ragtuned_kedro.language_models.courier.underway import (
    Owner,
    Underway,
    this_process,
    wait_for_ended_runs,
)
from ragtuned_kedro.language_models.store_command import main
from ragtuned_kedro.schemas.errors import UserError
from tests.language_models.endpoints import Square, item_prompts, open_asker, open_model
from tests.language_models.fault_server import FaultServer

NOBODY = Owner(2**22 + 1, 0.0, this_process().space)
CLIENT = """
import sys
from pathlib import Path
from tests.language_models.endpoints import Square, item_prompts, open_asker
asker = open_asker(sys.argv[1], Path(sys.argv[2]), call_timeout_seconds=5)
asker.ask_all(item_prompts(16), Square, stage="s", max_new_tokens=64)
"""


def ask(asker: Asker, n: int):  # type: ignore[no-untyped-def]
    return asker.ask_all(item_prompts(n), Square, stage="s", max_new_tokens=64)


def couriers_of(pid: int) -> list[psutil.Process]:
    return [one for one in psutil.Process(pid).children() if "courier" in " ".join(one.cmdline())]


def wait_until(holds, seconds: float = 10.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@given(st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=40))), st.integers(1, 9))
def test_frames_arrive_whole_however_they_are_cut(sent, step):
    frames = [Frame(kind, number, payload) for number, (kind, payload) in enumerate(sent)]
    stream = b"".join(frame.pack() for frame in frames)
    reader = FrameReader()
    pieces = [stream[start : start + step] for start in range(0, len(stream), step)]
    assert [frame for piece in pieces for frame in reader.feed(piece)] == frames


def test_what_is_under_way_at_a_kill_is_answered_once_and_found_by_the_next_run(tmp_path):
    path = tmp_path / "store.sqlite"
    with FaultServer(latency=1.0) as server:
        command = [sys.executable, "-c", CLIENT, server.url, str(path)]
        client = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_until(lambda: len(server.asked()) == 8)
        client.kill()
        client.wait()
        assert not server.successes()
        answered = ask(open_asker(server.url, path, call_timeout_seconds=5), 16)
        assert len(answered.replies) == 16
        assert set(server.successes().values()) == {1}
        assert len(server.asked()) == 16
    assert not CompletionStore(path).arrivals(server.url)
    wait_until(lambda: not path.with_name("store.sqlite.underway").exists())


def test_what_is_under_way_when_a_run_fails_is_answered_once(tmp_path):
    path = tmp_path / "store.sqlite"

    def deliver(_: object) -> None:
        raise RuntimeError("the run fails")

    with FaultServer(latency=0.3) as server:
        asker = open_asker(server.url, path, call_timeout_seconds=5)
        with pytest.raises(RuntimeError, match="the run fails"):
            asker.ask_each(item_prompts(20), Square, deliver, stage="s", max_new_tokens=64)
        n_sent = len(server.asked())
        assert 8 <= n_sent < 20
        assert len(ask(open_asker(server.url, path, call_timeout_seconds=5), 20).replies) == 20
        assert len(server.asked()) == 20


def test_a_run_that_ends_leaves_no_courier_and_no_socket(tmp_path):
    with FaultServer() as server:
        script = CLIENT + (
            "import psutil\nprint([one.pid for one in psutil.Process().children()])\n"
        )
        command = [sys.executable, "-c", script, server.url, str(tmp_path / "store.sqlite")]
        environment = os.environ | {"TMPDIR": str(tmp_path)}
        ended = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    pids = json.loads(ended.stdout)
    assert len(pids) == 1
    wait_until(lambda: not psutil.pid_exists(pids[0]))
    assert not list(tmp_path.glob("ragtuned-courier-*"))


def test_a_courier_that_is_killed_is_replaced(tmp_path):
    with FaultServer(latency=0.1) as server:

        def prompts():  # type: ignore[no-untyped-def]
            for number, prompt in enumerate(item_prompts(80)):
                if number == 60:
                    (courier,) = couriers_of(os.getpid())
                    courier.send_signal(signal.SIGKILL)
                yield prompt

        asker = open_asker(server.url, tmp_path / "store.sqlite", call_timeout_seconds=5)
        answered = asker.ask_all(prompts(), Square, stage="s", max_new_tokens=64)
    assert len(answered.replies) == 80


def test_the_key_is_told_to_the_courier_alone(tmp_path):
    with FaultServer(status=200) as server:
        model = open_model(server.url, key="sk-very-secret-key", total_timeout_seconds=0.2)
        model.complete(item_prompts(1), max_new_tokens=8)
        assert server.log[0].headers["authorization"] == "Bearer sk-very-secret-key"
    for courier in couriers_of(os.getpid()):
        told = f"{courier.cmdline()} {courier.environ()}"
        assert "sk-very-secret-key" not in told


def test_an_answer_that_no_run_has_read_is_kept_and_not_paid_for_again(tmp_path):
    path = tmp_path / "store.sqlite"
    with FaultServer() as server:
        ask(open_asker(server.url, path), 1)
        (call,) = CompletionStore(path).calls_at("s", "stub", server.url)
        content = {
            "choices": [{"message": {"content": call.text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 8},
        }
        fresh = CompletionStore(tmp_path / "fresh.sqlite")
        fresh.keep_reply_mode(server.url, "stub", "json_schema")
        kept_as = ((call.request_sha, 0),)
        fresh.add_arrivals([Arrival(kept_as, server.url, json.dumps(content).encode(), 0.5)])
        n_asked = len(server.log)
        answered = ask(open_asker(server.url, tmp_path / "fresh.sqlite"), 1)
        assert len(server.log) == n_asked
    assert answered.replies["key-0"].record == Square(item=0, square=0)
    assert [(row["n_prompt_tokens"], row["seconds"]) for row in answered.calls] == [(7, 0.5)]
    assert not fresh.arrivals(server.url)


def test_an_unread_answer_of_no_use_is_asked_for_again(tmp_path):
    path = tmp_path / "store.sqlite"
    with FaultServer() as server:
        ask(open_asker(server.url, path), 1)
        (call,) = CompletionStore(path).calls_at("s", "stub", server.url)
        fresh = CompletionStore(tmp_path / "fresh.sqlite")
        fresh.add_arrivals([Arrival(((call.request_sha, 0),), server.url, b"<html>", 0.5)])
        assert len(ask(open_asker(server.url, tmp_path / "fresh.sqlite"), 1).replies) == 1
    assert not fresh.arrivals(server.url)


def test_what_was_kept_before_a_kill_is_not_laid_down(tmp_path):
    path = tmp_path / "store.sqlite"
    with FaultServer() as server:
        ask(open_asker(server.url, path), 1)
        store = CompletionStore(path)
        (call,) = store.calls_at("s", "stub", server.url)
        store.add_arrivals([Arrival(((call.request_sha, 0),), server.url, b"{}", 0.5)])
        assert not store.arrivals(server.url)


def held_by(path: Path, owner: Owner, *, most_seconds: float = 60) -> Underway:
    return Underway(path, "channel", owner, most_seconds=most_seconds)


def is_waited_for(path: Path, *, mine: tuple[str, ...] = ()) -> bool:
    async def look() -> bool:
        try:
            await asyncio.wait_for(wait_for_ended_runs(path, mine=mine), 0.1)
        except TimeoutError:
            return True
        return False

    return asyncio.run(look())


def test_calls_of_an_ended_run_are_waited_for_and_those_of_a_living_one_are_not(tmp_path):
    path = tmp_path / "store.sqlite"
    assert not is_waited_for(path)
    living = psutil.Process().parent()
    assert living is not None
    me = this_process()
    for owner, waits in (
        (Owner(living.pid, living.create_time(), me.space), False),
        (Owner(living.pid, living.create_time() - 1000, me.space), True),
        (NOBODY, True),
        (NOBODY._replace(space=1), False),
        (me, True),
    ):
        underway = held_by(path, owner)
        assert is_waited_for(path) is waits
        assert not is_waited_for(path, mine=("channel",))
        underway.end()
        assert not is_waited_for(path)


def test_calls_of_a_run_that_was_killed_and_is_not_buried_are_waited_for(tmp_path):
    path = tmp_path / "store.sqlite"
    run = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = psutil.Process(run.pid)
    underway = held_by(path, this_process()._replace(pid=run.pid, created=process.create_time()))
    assert not is_waited_for(path)
    run.kill()
    wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE)
    assert is_waited_for(path)
    underway.end()
    run.communicate()


def test_what_a_killed_courier_left_is_tidied_up(tmp_path):
    path = tmp_path / "store.sqlite"
    underway = held_by(path, NOBODY)
    fcntl.flock(underway._file, fcntl.LOCK_UN)
    assert not is_waited_for(path)
    assert not path.with_name("store.sqlite.underway").exists()


def test_nobody_waits_for_a_courier_longer_than_a_call_may_take(tmp_path):
    path = tmp_path / "store.sqlite"
    underway = held_by(path, NOBODY, most_seconds=0.05)
    assert not is_waited_for(path)
    underway.end()


def test_a_lock_that_cannot_be_removed_ends_all_the_same(tmp_path, monkeypatch):
    path = tmp_path / "store.sqlite"
    underway = held_by(path, NOBODY)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        underway.end()
    assert not is_waited_for(path)


def ask_in_a_process(
    url: str, store: Path, script: str = CLIENT, **environment: str
) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", script, url, str(store)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_key_that_no_header_can_carry_stops_the_run_and_is_not_shown(tmp_path):
    script = """
import sys
from tests.language_models.endpoints import item_prompts, open_model
from ragtuned_kedro.schemas.errors import UserError
try:
    open_model(sys.argv[1], key="sk-abc\u2026").complete(item_prompts(1), max_new_tokens=8)
except UserError as error:
    print(error)
"""
    with FaultServer() as server:
        asked = ask_in_a_process(server.url, tmp_path, script)
    assert "check the form of its url and of its key" in asked.stdout
    assert "sk-abc" not in asked.stdout + asked.stderr


def test_a_courier_that_does_not_answer_is_replaced(tmp_path, monkeypatch):
    package = "ragtuned_kedro.language_models.courier"
    monkeypatch.setattr(f"{package}.settings._GRACE_SECONDS", 0.5)
    monkeypatch.setattr(f"{package}.channel._START_SECONDS", 5.0)
    with FaultServer() as server:

        def prompts(n_before: int):  # type: ignore[no-untyped-def]
            for number, prompt in enumerate(item_prompts(80)):
                if number == n_before:
                    (courier,) = couriers_of(os.getpid())
                    courier.suspend()
                yield prompt

        # Before the first call, and among them.
        for n_before in (0, 60):
            asker = open_asker(server.url, tmp_path / str(n_before))
            answered = asker.ask_all(prompts(n_before), Square, stage="s", max_new_tokens=64)
            assert len(answered.replies) == 80


def test_a_forked_process_that_lives_on_does_not_hold_up_the_next_calls(tmp_path):
    script = """
import os, sys, time
from pathlib import Path
from tests.language_models.endpoints import Square, item_prompts, open_asker
def ask(n):
    asker = open_asker(sys.argv[1], Path(sys.argv[2]))
    for settled in range(1):
        asker.ask_each(item_prompts(n), Square, deliver, stage="s", max_new_tokens=64)
children = []
def deliver(_):
    if not children:
        children.append(os.fork())
        if not children[0]:
            time.sleep(30)
            os._exit(0)
ask(4)
started = time.monotonic()
ask(8)
print(time.monotonic() - started)
os.kill(children[0], 9)
"""
    with FaultServer() as server:
        asked = ask_in_a_process(server.url, tmp_path / "store.sqlite", script)
    assert float(asked.stdout) < 10, asked.stderr


def test_whoever_reads_what_a_killed_run_says_does_not_wait_for_its_courier(tmp_path):
    with FaultServer(latency=4.0) as server:
        CompletionStore(tmp_path / "s").keep_reply_mode(server.url, "stub", "json_schema")
        command = [sys.executable, "-c", CLIENT, server.url, str(tmp_path / "s")]
        client = subprocess.Popen(command, stderr=subprocess.PIPE)
        wait_until(lambda: len(server.asked()) == 8)
        client.kill()
        client.wait()
        started = time.monotonic()
        assert client.stderr is not None
        client.stderr.read()
        assert time.monotonic() - started < 2


def test_a_long_name_of_the_temporary_folder_and_a_talking_start_are_no_obstacle(tmp_path):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("print('hello')")
    with FaultServer() as server:
        asked = ask_in_a_process(
            server.url,
            tmp_path / "store.sqlite",
            TMPDIR=str(folder),
            PYTHONPATH=os.pathsep.join([str(folder), *sys.path]),
        )
    assert asked.returncode == 0, asked.stderr


def test_a_courier_that_does_not_start_says_why(tmp_path, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'No module named openai' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(channel, "sys", SimpleNamespace(executable=str(broken), path=[]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pytest.raises(UserError, match="did not start: No module named openai"):
        channel._Courier()
    assert not list(tmp_path.glob("ragtuned-courier-*"))


def test_a_courier_asked_to_end_still_lays_down_what_comes(tmp_path, capsys):
    path = tmp_path / "store.sqlite"
    with FaultServer(latency=1.0) as server:
        CompletionStore(path).keep_reply_mode(server.url, "stub", "json_schema")
        command = [sys.executable, "-c", CLIENT, server.url, str(path)]
        client = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_until(lambda: len(server.asked()) == 8)
        (courier,) = couriers_of(client.pid)
        client.kill()
        courier.terminate()
        client.wait()
        wait_until(lambda: not courier.is_running())
        assert len(CompletionStore(path).arrivals(server.url)) == 8
        assert main([str(path), "list"]) == 0
        assert "8 more answers wait for the next run" in capsys.readouterr().out
        assert main([str(path), "prune", "--all"]) == 0
        assert not CompletionStore(path).arrivals(server.url)
