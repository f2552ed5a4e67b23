"""Tables that take long to make are made once for the same inputs, settings and code."""

import hashlib
import logging
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ragtuned_kedro.language_models.whole_folder import make_folder
from ragtuned_kedro.schemas.ids import fingerprint
from ragtuned_kedro.schemas.parameters import Block
from ragtuned_kedro.schemas.records import BaseModelFolder

Tables = tuple[pd.DataFrame, ...]

logger = logging.getLogger(__name__)


def keep_tables(root: Path, make: Callable[..., Tables], *inputs: object) -> Tables:
    """Return `make(*inputs)`, or what it returned when it was last asked the same.

    The tables lie in a folder of `root` whose name is a hash of the inputs (tables by all they
    hold, a base model by its revision and the files beside its weights), of the source of this
    package and of the versions of what is installed. So whatever can change the tables has them
    made anew, and an edited comment has, too. `make` must be a function of its inputs alone. A
    folder appears whole or not at all.

    Raises:
        TypeError: If an input is of a kind that has no content to go by.
    """
    name = f"{make.__module__}.{make.__qualname__}"
    folder = root / fingerprint([name, _CODE, _INSTALLED, [_content(one) for one in inputs]])[:16]
    if folder.exists():
        what = make.__name__.strip("_").replace("_", " ")
        logger.info("%s: nothing changed, the tables of before (%s)", what, folder.name)
    made: Tables | None = None

    def fill(unfinished: Path) -> None:
        nonlocal made
        made = make(*inputs)
        for place, table in enumerate(made):
            table.to_parquet(_file(unfinished, place))

    make_folder(folder, fill)
    return made if made is not None else _read(folder)


def _file(folder: Path, place: int) -> Path:
    return folder / f"{place:02}.parquet"


def _read(folder: Path) -> Tables:
    return tuple(_frame(pq.read_table(file)) for file in sorted(folder.glob("*.parquet")))


def _frame(table: pa.Table) -> pd.DataFrame:
    frame = table.to_pandas()
    for field in table.schema:
        if pa.types.is_nested(field.type):
            # As they were made: lists of dictionaries and no arrays.
            frame[field.name] = table[field.name].to_pylist()
    return frame


def _content(value: object) -> Any:
    if isinstance(value, pd.DataFrame):
        return hashlib.sha256(value.to_parquet()).hexdigest()
    if isinstance(value, BaseModelFolder):
        # The revision is that of the weights; a tokenizer or chat template can change without it.
        folder = Path(value.path)
        files = (one for one in folder.iterdir() if one.is_file() and one.suffix != ".safetensors")
        return [value.revision, _digests(files, folder)]
    if isinstance(value, Block):
        return value.model_dump(mode="json")
    if is_dataclass(value):
        return {field.name: _content(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [_content(one) for one in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"nothing tells whether a {type(value).__name__} is the same as before")


def hash_code(package: Path) -> str:
    """Hash all Python files below a folder, by their names and what stands in them."""
    return fingerprint(_digests(package.rglob("*.py"), package))


def _digests(files: Iterable[Path], root: Path) -> dict[str, str]:
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


def _list_installed() -> list[str]:
    """Name what is installed by its metadata's folders, `<name>-<version>.dist-info`."""
    folders = [folder for folder in sys.path if os.path.isdir(folder)]
    return [sys.version, *sorted(n for f in folders for n in os.listdir(f) if ".dist-info" in n)]


# As they are imported: an edit during a run is no part of what that run makes.
_CODE = hash_code(Path(__file__).parents[1])
_INSTALLED = _list_installed()
