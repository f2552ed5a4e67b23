from pathlib import Path

import pytest
from kedro.io import DatasetError

from ragtuned_kedro.datasets.adapter import AdapterDataset
from ragtuned_kedro.datasets.base_model import BaseModelFolderDataset
from ragtuned_kedro.datasets.folder import FolderDataset
from ragtuned_kedro.schemas.records import BaseModelFolder


def make_adapter(folder: Path, card: str) -> Path:
    folder.mkdir()
    (folder / "adapter_card.json").write_text(card)
    (folder / f"{card}.safetensors").write_text(card)
    return folder


def test_a_saved_adapter_replaces_the_old_one_whole(tmp_path):
    dataset = AdapterDataset(filepath=str(tmp_path / "adapter"))
    dataset.save(make_adapter(tmp_path / "one", "one"))
    dataset.save(make_adapter(tmp_path / "two", "two"))
    names = sorted(file.name for file in dataset.load().iterdir())
    assert names == ["adapter_card.json", "two.safetensors"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["adapter", "one", "two"]
    assert dataset.preview() == "two"


def test_an_adapter_that_was_never_saved_says_what_to_run(tmp_path):
    with pytest.raises(DatasetError, match="kedro run"):
        AdapterDataset(filepath=str(tmp_path / "adapter")).load()


def test_a_base_model_moves_with_its_project(tmp_path):
    folder = tmp_path / "old" / "models" / "toy"
    folder.mkdir(parents=True)
    kept = BaseModelFolderDataset(filepath=str(tmp_path / "old" / "models.json"))
    kept.save(BaseModelFolder(str(folder), "toy", "r1"))
    assert kept.load() == BaseModelFolder(str(folder), "toy", "r1")
    (tmp_path / "old").rename(tmp_path / "new")
    moved = BaseModelFolderDataset(filepath=str(tmp_path / "new" / "models.json")).load()
    assert moved.path == str(tmp_path / "new" / "models" / "toy")


def test_a_base_model_that_is_gone_says_what_to_run(tmp_path):
    dataset = BaseModelFolderDataset(filepath=str(tmp_path / "models.json"))
    with pytest.raises(DatasetError, match="fetch_model"):
        dataset.load()
    dataset.save(BaseModelFolder(str(tmp_path / "gone"), "toy", "r1"))
    with pytest.raises(DatasetError, match="fetch_model"):
        dataset.load()


def test_a_working_folder_is_there_when_it_is_asked_for(tmp_path):
    assert FolderDataset(filepath=str(tmp_path / "a" / "b")).load().is_dir()
