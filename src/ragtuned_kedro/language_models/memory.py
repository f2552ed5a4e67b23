"""How much memory a piece of work holds at its highest, and how what it held is given back."""

import ctypes
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import TracebackType
from typing import Any

# Short against a batch, long against reading one number from the kernel.
_INTERVAL_SECONDS = 0.05
# New objects between two searches for reference cycles; Python's own 700 are those of a few calls
# to an endpoint. What the objects of so many hold is small against what a model holds.
_N_NEW_OBJECTS = 20_000
# Of mallopt: what may lie free on top, and from what size on a block is a mapping of its own.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 * 2**20


class PeakMemory:
    """Measures while it is open: on a CPU the process's resident memory, on a GPU what torch holds.

    The process's memory is sampled, so a peak of some milliseconds can be missed; the kernel's own
    high-water mark is that of the whole life of the process, and tells nothing of a later system.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._highest = 0
        self._is_over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    @property
    def n_bytes(self) -> int:
        """Tell the highest so far."""
        return self._highest

    def __enter__(self) -> "PeakMemory":
        if self._device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
        else:
            self._sampler.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._device == "cuda":
            import torch

            self._highest = int(torch.cuda.max_memory_allocated())
            return
        self._is_over.set()
        self._sampler.join()

    def _sample(self) -> None:
        import psutil

        process = psutil.Process()
        while True:
            self._highest = max(self._highest, int(process.memory_info().rss))
            if self._is_over.wait(_INTERVAL_SECONDS):
                return


@contextmanager
def collect_rarely() -> Iterator[None]:
    """Have Python search for reference cycles less often while many small objects come and go.

    They are freed as they go, by their counts, and the searches are a sixteenth of the processor
    time of a call. Where the blocks of two threads overlap, the rarer searching may stay: it does
    no harm.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], _N_NEW_OBJECTS) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def hold_freed_memory() -> Iterator[None]:
    """Keep what is freed for what comes next, until it is given back; with glibc only.

    Else the system takes back what lies on top whenever much of it is free, and clears it page by
    page once it is wanted again: to write to fresh memory takes a small model's layers as long as
    a third of their products.
    """
    _set_malloc(_TRIM_THRESHOLD, 2**31 - 1)
    _set_malloc(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    try:
        yield
    finally:
        # What glibc itself comes to where large blocks come and go.
        _set_malloc(_TRIM_THRESHOLD, 2 * _LARGEST_MMAP_THRESHOLD)
        give_back_freed_memory()


def give_back_freed_memory() -> None:
    """Return to the system what was freed and is still held by glibc; elsewhere do nothing.

    glibc keeps freed memory for later, per thread and where anything above it is in use, so that
    what one model has left would be added to what the next one takes.
    """
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _set_malloc(name: int, value: int) -> None:
    if (libc := _glibc()) is not None:
        libc.mallopt(name, value)


@lru_cache(maxsize=1)
def _glibc() -> Any:
    try:
        libc = ctypes.CDLL("libc.so.6")
        _ = libc.malloc_trim, libc.mallopt
    except (OSError, AttributeError):
        return None
    return libc
