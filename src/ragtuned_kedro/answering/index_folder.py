"""What a system prepares before the first question, made once and kept with what that took."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ragtuned_kedro.language_models.whole_folder import make_folder
from ragtuned_kedro.schemas.answering_tables import IndexCosts
from ragtuned_kedro.schemas.ids import fingerprint
from ragtuned_kedro.schemas.tables import frame_of

_COST_FILE = "cost.json"


@dataclass(frozen=True)
class Indexed:
    """How many units of one kind were indexed, and their tokens."""

    unit_kind: str
    n_units: int
    n_tokens: int


def keep_index(
    root: Path, key: Any, build: Callable[[Path], list[Indexed]]
) -> tuple[Path, pd.DataFrame]:
    """Build an index in a folder of `root` once for each `key` (all that decides what is in it).

    Returns the folder and its IndexCosts, which are those of the day when it was built.
    """
    folder = root / fingerprint(key)[:16]

    def fill(unfinished: Path) -> None:
        started = time.monotonic()
        indexed = build(unfinished)
        seconds = time.monotonic() - started
        n_bytes = sum(file.stat().st_size for file in unfinished.rglob("*") if file.is_file())
        # What was built together has one cost; it stands beside the first.
        rows = [
            asdict(one)
            | {"n_bytes": n_bytes if at == 0 else 0, "seconds": seconds if at == 0 else 0.0}
            for at, one in enumerate(indexed)
        ]
        (unfinished / _COST_FILE).write_text(json.dumps(rows))

    make_folder(folder, fill)
    return folder, frame_of(IndexCosts, json.loads((folder / _COST_FILE).read_text()))
