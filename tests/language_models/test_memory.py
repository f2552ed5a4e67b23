import ctypes
import gc
import sys

import psutil
import pytest

from ragtuned_kedro.language_models.memory import (
    collect_rarely,
    give_back_freed_memory,
    hold_freed_memory,
)

_MEGABYTE = 1 << 20


def _has_glibc() -> bool:
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


@pytest.mark.skipif(not _has_glibc(), reason="only glibc is asked to give memory back")
def test_memory_below_something_in_use_goes_back_to_the_system():
    blocks = [bytearray(64 * 1024) for _ in range(1600)]
    for block in blocks:
        block[::4096] = b"x" * len(block[::4096])
    # The last block stays, and glibc frees by itself only what lies above all that is in use.
    del blocks[:-1]
    before = psutil.Process().memory_info().rss
    give_back_freed_memory()
    assert before - psutil.Process().memory_info().rss > 50 * _MEGABYTE


@pytest.mark.skipif(not _has_glibc(), reason="only glibc is asked to hold memory")
def test_held_memory_is_written_to_again_without_being_fetched_and_goes_back_at_the_end():
    def fill() -> int:
        before = _pages_fetched()
        blocks = [ctypes.create_string_buffer(8 * _MEGABYTE) for _ in range(24)]
        for block in blocks:
            ctypes.memset(block, 1, len(block))
        return _pages_fetched() - before

    with hold_freed_memory():
        assert fill() > 24 * 8 * _MEGABYTE // 4096 * 0.9
        assert fill() < 1000
        held = psutil.Process().memory_info().rss
    assert held - psutil.Process().memory_info().rss > 150 * _MEGABYTE


def _pages_fetched() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def test_without_glibc_nothing_is_asked_for(monkeypatch):
    from ragtuned_kedro.language_models import memory

    def refuse(name: str) -> None:
        raise OSError(name)

    memory._glibc.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", refuse)
    give_back_freed_memory()
    with hold_freed_memory():
        pass
    memory._glibc.cache_clear()


@pytest.mark.parametrize("before", [(700, 10, 10), (50_000, 5, 5), (0, 10, 10)])
def test_cycles_are_searched_for_no_more_often_and_afterwards_as_before(before):
    was = gc.get_threshold()
    gc.set_threshold(*before)
    try:
        with collect_rarely():
            during = gc.get_threshold()
        after = gc.get_threshold()
    finally:
        gc.set_threshold(*was)
    assert after == before
    # 0 means never.
    assert during[0] >= before[0]
    assert bool(during[0]) == bool(before[0])
