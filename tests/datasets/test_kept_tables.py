"""Kept tables: made once for the same content, and anew for whatever could change them."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from ragtuned_kedro.datasets import kept_tables
from ragtuned_kedro.datasets.kept_tables import Tables, keep_tables
from ragtuned_kedro.schemas.corpus_parameters import ChunkingParams
from ragtuned_kedro.schemas.records import BaseModelFolder
from ragtuned_kedro.schemas.tables import Ledger, Rejections, frame_of

TABLE = pd.DataFrame({"text": ["a", "b"], "n": [1, 2]})
SETTINGS = ChunkingParams(size=20, overlap=5)


def base_model(folder: Path, *, revision: str = "r1", template: str = "a") -> BaseModelFolder:
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_text(revision)
    (folder / "chat_template.jinja").write_text(template)
    return BaseModelFolder(str(folder), folder.name, revision)


@dataclass(frozen=True)
class Pair:
    """Tables that go together."""

    one: pd.DataFrame
    other: pd.DataFrame


class Maker:
    """Makes tables and counts how often."""

    def __init__(self) -> None:
        self.n_calls = 0
        self.__qualname__ = self.__name__ = "make"

    def __call__(self, *inputs: object) -> Tables:
        self.n_calls += 1
        chats = [{"messages": [{"role": "user", "content": f"é {n}"}], "n": n} for n in range(3)]
        rejections = [{"key": "k", "call_id": None, "reason": "r", "detail": ""}]
        return (
            pd.DataFrame(chats),
            frame_of(Rejections, rejections),
            frame_of(Ledger, []),
        )


def test_what_was_made_comes_back_as_it_was_made_and_is_not_made_again(tmp_path: Path) -> None:
    make = Maker()
    inputs = (Pair(TABLE, TABLE), ["a question"], base_model(tmp_path / "toy"), SETTINGS)
    first = keep_tables(tmp_path, make, *inputs)
    again = keep_tables(tmp_path, make, *inputs)
    assert make.n_calls == 1
    for before, after in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(before, after)
        assert before.to_dict("records") == after.to_dict("records")
        assert before.to_parquet() == after.to_parquet()


@pytest.mark.parametrize(
    "changed",
    [
        (TABLE.assign(n=[1, 3]), SETTINGS),
        (TABLE.assign(n=[1.0, 2.0]), SETTINGS),
        (TABLE.iloc[::-1].reset_index(drop=True), SETTINGS),
        (TABLE.rename(columns={"n": "m"}), SETTINGS),
        (TABLE, ChunkingParams(size=20, overlap=6)),
        (SETTINGS, TABLE),
        (TABLE, SETTINGS, None),
    ],
)
def test_a_changed_input_or_setting_has_the_tables_made_anew(
    tmp_path: Path, changed: tuple[object, ...]
) -> None:
    make = Maker()
    keep_tables(tmp_path, make, TABLE, SETTINGS)
    keep_tables(tmp_path, make, *changed)
    assert make.n_calls == 2


def test_a_base_model_is_its_weights_and_what_lies_beside_them_wherever_that_is(
    tmp_path: Path,
) -> None:
    make = Maker()
    keep_tables(tmp_path, make, base_model(tmp_path / "toy"))
    keep_tables(tmp_path, make, base_model(tmp_path / "elsewhere"))
    assert make.n_calls == 1
    keep_tables(tmp_path, make, base_model(tmp_path / "toy", template="b"))
    assert make.n_calls == 2
    keep_tables(tmp_path, make, base_model(tmp_path / "toy", revision="r2"))
    assert make.n_calls == 3


@pytest.mark.parametrize("what", ["_CODE", "_INSTALLED"])
def test_other_code_or_another_version_has_the_tables_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    make = Maker()
    keep_tables(tmp_path, make, TABLE)
    monkeypatch.setattr(kept_tables, what, "another")
    keep_tables(tmp_path, make, TABLE)
    assert make.n_calls == 2


def test_every_source_file_and_every_installed_version_counts(tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "room").mkdir(parents=True)
    (package / "room" / "one.py").write_text("1")
    before = kept_tables.hash_code(package)
    (package / "room" / "one.py").write_text("2")
    edited = kept_tables.hash_code(package)
    (package / "room" / "one.py").rename(package / "one.py")
    assert len({before, edited, kept_tables.hash_code(package)}) == 3
    assert kept_tables.hash_code(Path(kept_tables.__file__).parents[1]) == kept_tables._CODE
    assert any(name.startswith("spacy-3.") for name in kept_tables._INSTALLED)


def test_what_ended_half_way_is_made_anew(tmp_path: Path) -> None:
    make = Maker()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    class Halting(Maker):
        def __call__(self, *inputs: object) -> Tables:
            first, *_ = super().__call__(*inputs)
            broken = pd.DataFrame({"n": [1]})
            broken.to_parquet = stop  # type: ignore[method-assign, assignment]
            return first, broken

    with pytest.raises(KeyboardInterrupt):
        keep_tables(tmp_path, Halting(), TABLE)
    assert len(keep_tables(tmp_path, make, TABLE)) == 3
    assert make.n_calls == 1


def test_an_input_that_nothing_can_be_told_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="object"):
        keep_tables(tmp_path, Maker(), object())
