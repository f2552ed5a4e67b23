"""Many awaited calls at once, over an input of any length, from ordinary code."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from ragtuned_kedro.language_models.memory import collect_rarely

T = TypeVar("T")


def run_bounded(
    items: Iterable[T],
    work: Callable[[T], Awaitable[None]],
    *,
    n_workers: int,
    within: Callable[[], AbstractAsyncContextManager[None]],
) -> None:
    """Do `work` on every item, `n_workers` at a time, inside the context that `within` opens.

    An item is taken from `items` only when a worker is free for it, so no more than `n_workers`
    of them exist at once, however many there are. The first error stops everything and is raised.

    Each worker starts the next one, a step of the event loop later, so that the first items are on
    their way before the last worker has prepared its own.
    """

    async def run() -> None:
        source = iter(items)

        async def worker(group: asyncio.TaskGroup, n_more: int) -> None:
            if n_more:
                group.create_task(worker(group, n_more - 1))
            for item in source:
                await work(item)

        async with within():
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(worker(group, n_workers - 1))
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from None

    with collect_rarely():
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(run())
        else:
            _run_beside(run)


def _run_beside(run: Callable[[], Awaitable[None]]) -> None:
    """Run in a thread of its own: a notebook's event loop already runs in this one.

    Whoever interrupts the wait for it interrupts the work.
    """
    errors: list[BaseException] = []
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def note_and_run() -> None:
        task = asyncio.current_task()
        assert task is not None, "inside a task"  # noqa: S101
        running.append((asyncio.get_running_loop(), task))
        await run()

    def target() -> None:
        try:
            asyncio.run(note_and_run())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    try:
        thread.join()
    except BaseException:
        for loop, task in running:
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
        raise
    if errors:
        raise errors[0]
