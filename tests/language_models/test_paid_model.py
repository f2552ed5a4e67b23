import asyncio

import pytest

from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.paid_model import PaidModel
from ragtuned_kedro.language_models.purse import Purse
from ragtuned_kedro.language_models.scripted import ScriptedModel
from ragtuned_kedro.schemas.endpoint_parameters import SpendingParams
from tests.language_models.endpoints import SPENDING


def test_an_equal_request_that_gives_up_waiting_harms_neither_the_first_nor_the_next(tmp_path):
    store = CompletionStore(tmp_path / "store")
    purse = Purse(SpendingParams(**SPENDING), role="teacher")
    paid = PaidModel(ScriptedModel(str, model_id="m"), store, purse)
    done: list[str] = []

    async def ask(name: str, may_end: asyncio.Event) -> None:
        async with paid.one_at_a_time("sha"):
            await may_end.wait()
            done.append(name)

    async def ask_all() -> None:
        may_end = asyncio.Event()
        first, second, third = (asyncio.create_task(ask(one, may_end)) for one in "abc")
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert not third.done()
        may_end.set()
        await asyncio.gather(first, third)

    asyncio.run(ask_all())
    assert done == ["a", "c"]
