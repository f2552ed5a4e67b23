"""Rates, back-off, caps, egress: what keeps an endpoint from surprising anybody."""

import asyncio
import contextlib
import email.utils
import json
import os
import signal
import threading
import time
import tracemalloc
from typing import Any

import pytest

from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.bounded import run_bounded
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.faults import retry_after
from ragtuned_kedro.language_models.limits import Pace, Patience
from ragtuned_kedro.language_models.prompts import Prompts
from ragtuned_kedro.language_models.scripted import ScriptedModel
from ragtuned_kedro.schemas.endpoint_parameters import ReplyParams, SpendingParams
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import Completion, Prompt
from tests.language_models.endpoints import (
    SPENDING,
    Square,
    item_prompt,
    item_prompts,
    open_asker,
    open_model,
)
from tests.language_models.fault_server import FaultServer


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_no_minute_holds_more_than_its_limit():
    clock = Clock()
    pace = Pace(60, clock)
    begins = [clock.now + pace.reserve(1) for _ in range(130)]
    for first in begins:
        assert sum(first <= other < first + 60 for other in begins) <= 60
    pace.correct(30)
    assert pace.reserve(1) == pytest.approx(160)


def test_an_amount_larger_than_a_minutes_worth_only_waits_longer():
    pace = Pace(1000, Clock())
    assert pace.reserve(5000) == 0
    assert pace.reserve(1) == pytest.approx(300)


def test_without_a_limit_nobody_waits():
    pace = Pace(None, Clock())
    assert [pace.reserve(10**9) for _ in range(3)] == [0, 0, 0]


def patience(clock: Clock, **more: object) -> Patience:
    return Patience(
        **{"total_timeout_seconds": 600, "endpoint": "here"} | more,
        first_backoff_seconds=1,
        max_backoff_seconds=20,
        dead_after_failures=3,
        dead_after_seconds=10,
        clock=clock,
    )


def test_an_endpoint_is_dead_after_enough_failures_over_enough_time():
    clock = Clock()
    patient = patience(clock)
    for _ in range(9):
        patient.failed("refused")
    clock.now += 11
    patient.succeeded()
    patient.failed("refused")
    clock.now += 11
    patient.failed("refused")
    with pytest.raises(UserError, match="same command again"):
        patient.failed("refused")


def test_backoff_doubles_up_to_its_most_and_never_undercuts_the_server():
    patient = patience(Clock())
    for n_tries, most in [(1, 1), (2, 2), (3, 4), (9, 20)]:
        assert most / 2 <= patient.backoff(n_tries, None) <= most
    assert patient.backoff(1, 30.0) >= 30


@pytest.mark.parametrize(
    ("asked", "told"), [(3601, "60 minutes"), (86400, "24.0 hours"), (float("inf"), "inf hours")]
)
def test_an_endpoint_that_wants_to_be_left_alone_for_too_long_stops_the_run_at_once(asked, told):
    patient = patience(Clock(), total_timeout_seconds=3600, endpoint="teacher: http://there/v1")
    for _ in range(5):
        patient.throttled(3600)
    with pytest.raises(UserError, match="same command again after that time") as stopped:
        patient.throttled(asked)
    assert f"teacher: http://there/v1 asks to be left alone for {told}" in str(stopped.value)


def test_a_pause_of_everybody_is_told_once_and_a_short_one_never(caplog):
    clock = Clock()
    patient = patience(clock, endpoint="teacher: http://there/v1")
    for asked, n_told in ((1, 0), (90, 1), (90, 1)):
        for _ in range(10):
            patient.throttled(asked)
            clock.now += 0.01
        assert len(caplog.records) == n_told
        clock.now += asked if not n_told else asked / 2
    assert "left alone for 90 seconds" in caplog.text
    clock.now += 90
    patient.throttled(90)
    assert len(caplog.records) == 2


def test_a_used_up_quota_ends_the_run_and_the_same_command_goes_on_after_it(tmp_path):
    path = tmp_path / "store.sqlite"
    with FaultServer(retry_after="18000", faults=["429 with Retry-After"]) as server:
        asked = {"into": Square, "stage": "s", "max_new_tokens": 64}
        open_asker(server.url, path).ask_all(item_prompts(5), **asked)
        server.share = 1.0
        asker = open_asker(server.url, path)
        began = time.monotonic()
        with pytest.raises(UserError, match=r"left alone for 5\.0 hours.*is kept"):
            asker.ask_all(item_prompts(40), **asked)
        assert time.monotonic() - began < 5
        server.share = 0.0
        assert len(open_asker(server.url, path).ask_all(item_prompts(40), **asked).replies) == 40
        assert set(server.successes().values()) == {1}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_in_seconds(headers, seconds):
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(("ahead", "seconds"), [(60, 60), (-60, 0)])
def test_retry_after_may_be_a_date(ahead, seconds):
    date = email.utils.formatdate(time.time() + ahead, usegmt=True)
    assert retry_after({"retry-after": date}) == pytest.approx(seconds, abs=2)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "http://10.0.0.7:8000/v1",
        "http://localhost.evil.example/v1",
        "http://0.0.0.0:8000/v1",
        "http://[2001:db8::1]/v1",
    ],
)
def test_local_only_refuses_what_is_not_loopback_before_anything_is_sent(url):
    with pytest.raises(UserError, match="egress is local_only"):
        open_model(url)
    assert open_model(url, egress="any").endpoint == url


@pytest.mark.parametrize(
    "url",
    ["http://localhost:1/v1", "http://127.0.0.1:1/v1", "http://127.9.9.9/v1", "http://[::1]/v1"],
)
def test_local_only_allows_loopback(url):
    assert open_model(url).endpoint == url


def test_local_only_follows_neither_proxies_nor_redirects(tmp_path, monkeypatch):
    with FaultServer() as elsewhere, FaultServer() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, elsewhere.url.removesuffix("/v1"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        open_asker(server.url, tmp_path / "store").complete(item_prompts(2), max_new_tokens=8)
        server.redirect = elsewhere.url + "/chat/completions"
        moved = open_model(server.url).complete(item_prompts(1), max_new_tokens=8)
        assert moved[0].finish_reason == "error"
        assert elsewhere.log == []


def test_a_cap_is_never_passed_and_a_higher_one_goes_on_without_paying_again(tmp_path):
    path = tmp_path / "store.sqlite"
    prices = {"prompt_price": 1e6, "completion_price": 1e6}
    with FaultServer() as server:
        for cap in ({"max_calls": 12}, {"max_tokens": 700}, {"max_money": 900.0}):
            asker = open_asker(server.url, path, spending=prices | cap)
            with pytest.raises(UserError, match=r"raise max_.* and give the same command again"):
                asker.ask_all(item_prompts(60), Square, stage="s", max_new_tokens=64)
            n_calls, n_prompt, n_completion = asker._paid.store.spent("stub", server.url)
            (name, most), *_ = cap.items()
            tokens = n_prompt + n_completion
            spent = {"max_calls": n_calls, "max_tokens": tokens, "max_money": float(tokens)}
            assert 0 < spent[name] <= most
        asker = open_asker(server.url, path)
        assert (
            len(asker.ask_all(item_prompts(60), Square, stage="s", max_new_tokens=64).replies) == 60
        )
        assert set(server.successes().values()) == {1}


class Living(Prompt):
    """A prompt that is counted as long as it exists."""

    now = most = made = 0

    def __init__(self, *fields: object) -> None:
        super().__init__(*fields)  # type: ignore[arg-type]
        Living.made += 1
        Living.now += 1
        Living.most = max(Living.most, Living.now)

    def __del__(self) -> None:
        Living.now -= 1


@pytest.fixture
def living() -> type[Living]:
    Living.now = Living.most = Living.made = 0
    return Living


def write_living(number: int) -> Living:
    return Living(f"key-{number}", item_prompt(number % 100).messages)


def test_a_million_prompts_never_exist_at_once(tmp_path, living):
    n_done = 0

    async def work(_: Prompt) -> None:
        nonlocal n_done
        n_done += 1

    model, store = ScriptedModel(lambda _: ""), CompletionStore(tmp_path / "store")
    prompts = Prompts(range(10**6), write_living)
    run_bounded(prompts, work, n_workers=8, within=lambda: model.open(store))
    assert n_done == living.made == len(prompts) == 10**6
    assert living.most <= 8 + 1
    assert living.now == 0


def test_a_model_is_asked_a_hundred_thousand_prompts_with_few_of_them_in_memory(tmp_path, living):
    class Forgetful(ScriptedModel):
        n_waiting = 32

        async def call(self, *asked: Any, **more: Any) -> Completion:
            completion = await super().call(*asked, **more)
            self.asked.clear()
            await asyncio.sleep(0)
            return completion

    def square(prompt: Prompt) -> str:
        n = int(prompt.messages[0].content.split("item ")[1].split(".")[0])
        return json.dumps({"item": n, "square": n * n})

    n = 10**5
    asker = Asker(
        Forgetful(square),
        CompletionStore(tmp_path / "store"),
        replies=ReplyParams(max_attempts=1, max_new_tokens=64),
        spending=SpendingParams(**SPENDING),
        role="teacher",
    )
    # A hundred texts: what is known is read from the store, or this would take a minute.
    answered = asker.ask_all(Prompts(range(n), write_living), Square, stage="s", max_new_tokens=64)
    assert len(answered.replies) == living.made == n
    assert answered.replies["key-99999"].record == Square(item=99, square=99**2)
    assert living.most <= 32 + 1
    assert living.now == 0


def test_prompts_know_their_number_and_are_written_when_they_are_taken():
    written = []

    def write(number: int) -> Prompt:
        written.append(number)
        return item_prompt(number)

    prompts = Prompts(range(5), write)
    assert len(prompts) == 5
    assert written == []
    assert prompts[3] == item_prompt(3)
    assert written == [3]
    assert list(prompts) == item_prompts(5)
    assert list(prompts[1:3]) == item_prompts(5)[1:3]


def test_an_error_in_writing_a_prompt_is_not_taken_for_the_end():
    def write(number: int) -> Prompt:
        raise IndexError(number)

    with pytest.raises(IndexError):
        list(Prompts(range(3), write))


def test_a_million_items_take_no_more_memory_than_a_few(tmp_path):
    async def work(_: int) -> None:
        pass

    model, store = ScriptedModel(lambda _: ""), CompletionStore(tmp_path / "store")
    tracemalloc.start()
    run_bounded(range(10**6), work, n_workers=8, within=lambda: model.open(store))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_an_error_of_one_worker_stops_all_and_is_raised_as_it_is(tmp_path):
    async def work(item: int) -> None:
        await asyncio.sleep(0)
        if item == 5:
            raise UserError("five")

    model, store = ScriptedModel(lambda _: ""), CompletionStore(tmp_path / "store")
    with pytest.raises(UserError, match="five"):
        run_bounded(range(1000), work, n_workers=4, within=lambda: model.open(store))


def test_a_notebook_that_is_interrupted_asks_nothing_more():
    # A process that was started in the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    begun = 0

    async def work(_: int) -> None:
        nonlocal begun
        begun += 1
        await asyncio.sleep(0.05)

    async def cell() -> None:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        run_bounded(range(200), work, n_workers=1, within=contextlib.nullcontext)

    # As in a notebook, nothing turns the interrupt into the end of a task.
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(cell())
    finally:
        signal.signal(signal.SIGINT, before)
    n_begun = begun
    time.sleep(0.2)
    assert begun == n_begun > 0


def test_a_notebook_may_ask_from_inside_its_own_event_loop(tmp_path):
    async def cell() -> list:
        with FaultServer() as server:
            asker = open_asker(server.url, tmp_path / "store.sqlite")
            return asker.complete(item_prompts(3), max_new_tokens=8)

    assert len(asyncio.run(cell())) == 3


def test_requests_per_minute_are_kept(tmp_path):
    with FaultServer(latency=0.0) as server:
        asker = open_asker(server.url, tmp_path / "store.sqlite", requests_per_minute=600)
        asker.complete(item_prompts(8), max_new_tokens=8)
        times = [one.started for one in server.asked()]
    assert times[-1] - times[0] >= 0.65
