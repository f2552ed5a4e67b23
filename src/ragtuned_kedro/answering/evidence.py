"""What a query is answered from, what was looked at for it, and what finding it took."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragtuned_kedro.schemas.ids import fingerprint


@dataclass(frozen=True)
class Unit:
    """One thing that was fetched; `n_tokens` counts the text that stands, or would, in a prompt."""

    kind: str
    unit_id: str
    score: float | None
    n_tokens: int
    is_used: bool


@dataclass(frozen=True)
class Evidence:
    """The text to answer from, the units behind it, and the cost of finding it.

    A `reply` is the answer already: the model is not asked. Tokens and memory are those of a model
    that was asked on the way; seconds are all.
    """

    query_id: str
    text: str
    units: tuple[Unit, ...] = ()
    seconds: float = 0.0
    n_prompt_tokens: int = 0
    n_completion_tokens: int = 0
    peak_memory_bytes: int = 0
    reply: str | None = None
    error: str | None = None

    @property
    def needs_model(self) -> bool:
        """Tell whether a model still has to answer."""
        return self.reply is None and self.error is None

    def rows(self, system: str) -> list[dict]:
        """List the units as rows of Retrievals."""
        return [
            {
                "query_id": self.query_id,
                "system": system,
                "position": position,
                "unit_kind": unit.kind,
                "unit_id": unit.unit_id,
                "score": unit.score,
                "n_tokens": unit.n_tokens,
                "is_used": unit.is_used,
            }
            for position, unit in enumerate(self.units)
        ]


def take_fitting(sizes: Iterable[int], *, room: int) -> list[bool]:
    """Take sizes in their order while they fit into `room`; the first that does not ends it."""
    taken = []
    is_open = True
    for size in sizes:
        room -= size
        is_open = is_open and room >= 0
        taken.append(is_open)
    return taken


def keep_evidence(
    folder: Path, key: Any, gather: Callable[[], Sequence[Evidence]]
) -> list[Evidence]:
    """Gather once for each `key` (all that decides the outcome) and read it back afterwards.

    What it took is part of it: a run that finds everything kept reports the first run's seconds.
    """
    file = folder / f"{fingerprint(key)[:16]}.json"
    if not file.exists():
        found = gather()
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}.unfinished")
        unfinished.write_text(json.dumps([dataclasses.asdict(one) for one in found]))
        os.replace(unfinished, file)
    rows = json.loads(file.read_text())
    return [
        Evidence(**(row | {"units": tuple(Unit(**unit) for unit in row["units"])})) for row in rows
    ]
