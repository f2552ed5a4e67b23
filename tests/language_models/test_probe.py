"""How an endpoint is asked for JSON: probed once, remembered, and never at any price."""

import asyncio
import time

import pytest

from ragtuned_kedro.language_models import probe
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.faults import Fault
from ragtuned_kedro.language_models.probe import probe_mode
from ragtuned_kedro.schemas.errors import UserError
from tests.language_models.endpoints import open_model
from tests.language_models.fault_server import FaultServer


def mode_of(server: FaultServer, store: CompletionStore, **more: float) -> str:
    model = open_model(server.url)

    async def probed() -> str:
        async with model.open(store):
            return await probe_mode(model, store, **{"total_timeout_seconds": 60.0} | more)

    return asyncio.run(probed())


def asked_for(server: FaultServer) -> list[str]:
    """List what the requests said of their format."""
    return [one.body.get("response_format", {}).get("type", "prompt") for one in server.log]


@pytest.mark.parametrize("status", [400, 422, 500, 501])
@pytest.mark.parametrize(
    ("refused", "mode"),
    [
        ((), "json_schema"),
        (("json_schema",), "json_object"),
        (("json_schema", "json_object"), "prompt"),
    ],
)
def test_an_endpoint_that_refuses_a_format_is_asked_the_next_laxer_way(
    tmp_path, monkeypatch, status, refused, mode
):
    monkeypatch.setattr(probe, "_PAUSE_SECONDS", 0.01)
    store = CompletionStore(tmp_path / "store.sqlite")
    with FaultServer(refused_formats=refused, refusal=status) as server:
        assert mode_of(server, store) == mode
        n_asked = len(server.log)
        assert mode_of(server, store) == mode
        assert len(server.log) == n_asked, "what was found is remembered"


def test_an_endpoint_that_ignores_the_schema_is_not_taken_to_hold_to_it(tmp_path):
    with FaultServer(enforces_schema=False) as server:
        assert mode_of(server, CompletionStore(tmp_path / "store.sqlite")) != "json_schema"


def test_nothing_sleeps_after_the_last_try(tmp_path, monkeypatch):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(probe.asyncio, "sleep", sleep)
    asked = 0

    class Throttled:
        endpoint, model_id = "http://there/v1", "stub"

        async def try_once(self, *_: object, **__: object) -> Fault:
            nonlocal asked
            asked += 1
            return Fault("throttled", "slow down", 30.0, status=429)

    store = CompletionStore(tmp_path / "store.sqlite")
    assert asyncio.run(probe_mode(Throttled(), store, total_timeout_seconds=60)) == "prompt"
    assert asked == 6
    assert slept == [30.0] * 4
    assert store.reply_mode("http://there/v1", "stub") is None


def test_an_endpoint_that_wants_to_be_left_alone_for_too_long_ends_the_run(tmp_path):
    store = CompletionStore(tmp_path / "store.sqlite")
    with FaultServer(share=1.0, faults=["429 with Retry-After"], retry_after="7200") as server:
        began = time.monotonic()
        with pytest.raises(UserError, match=r"left alone for 2\.0 hours.*same command again"):
            mode_of(server, store, total_timeout_seconds=60)
        assert time.monotonic() - began < 5
        assert len(server.log) == 1
