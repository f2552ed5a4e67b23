"""Which embedder a run uses is one setting; a folder and an endpoint load as the same dataset."""

import pytest
from kedro.io import DatasetError

from ragtuned_kedro.datasets.embedder import EmbedderDataset
from ragtuned_kedro.language_models.embedder import find_embedder
from ragtuned_kedro.language_models.embedding_endpoint import EmbeddingEndpoint
from ragtuned_kedro.schemas.records import BaseModelFolder
from tests.language_models.endpoints import LIMITS, SPENDING

SETTINGS = {
    "url": "http://127.0.0.1:1/v1",
    "model": "stub",
    "egress": "local_only",
    "dimensions": None,
    "batch_size": 8,
    "limits": LIMITS,
    "spending": SPENDING,
}


def dataset(tmp_path, **changes: object) -> EmbedderDataset:
    return EmbedderDataset(
        filepath=str(tmp_path / "embedder.json"),
        settings=SETTINGS | changes,
        store=str(tmp_path / "store"),
    )


def test_a_local_embedder_loads_as_its_folder_whatever_the_endpoint_is(tmp_path):
    folder = BaseModelFolder(str(tmp_path), "local", "1")
    dataset(tmp_path, url="https://elsewhere.example/v1").save(folder)
    assert dataset(tmp_path, url="https://elsewhere.example/v1").load() == folder


def test_source_endpoint_fetches_nothing_and_loads_as_the_endpoint(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBEDDER_API_KEY", "sk-very-secret")
    one = dataset(tmp_path)
    one.save(find_embedder("endpoint", revision=None, sha256=None, cache=tmp_path))
    embedder = one.load()
    assert isinstance(embedder, EmbeddingEndpoint)
    assert one.load() is embedder
    assert "sk-very-secret" not in f"{one!r} {one._describe()} {vars(embedder)}"


def test_a_wrong_setting_or_a_forbidden_endpoint_is_named(tmp_path):
    chosen = find_embedder("endpoint", revision=None, sha256=None, cache=tmp_path)
    dataset(tmp_path).save(chosen)
    with pytest.raises(DatasetError, match="embedder in the catalog: modell"):
        dataset(tmp_path, modell="x").load()
    with pytest.raises(DatasetError, match="egress is local_only"):
        dataset(tmp_path, url="https://api.example.com/v1").load()
