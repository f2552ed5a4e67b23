"""Prompts that wait to be asked, as many as there may be, without a place in memory."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, overload

from ragtuned_kedro.schemas.records import Prompt

T = TypeVar("T")


class Prompts(Sequence[Prompt]):
    """One prompt per item, written when it is taken and not kept.

    It knows its length, for a progress bar. `render` must give the same prompt each time, so what
    it reads must not change before the last one is taken.
    """

    def __init__(self, items: Sequence[T], render: Callable[[T], Prompt]) -> None:
        """Hold the items; nothing is rendered."""
        self._items: Sequence[Any] = items
        self._render: Callable[[Any], Prompt] = render

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, place: int) -> Prompt: ...
    @overload
    def __getitem__(self, place: slice) -> "Prompts": ...
    def __getitem__(self, place: int | slice) -> "Prompt | Prompts":
        if isinstance(place, slice):
            return Prompts(self._items[place], self._render)
        return self._render(self._items[place])

    def __iter__(self) -> Iterator[Prompt]:
        # That of Sequence would take an IndexError of `render` for the end.
        return map(self._render, self._items)
