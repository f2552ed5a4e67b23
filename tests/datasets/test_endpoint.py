"""A role's key comes from the environment or conf/local, and shows nowhere."""

import pytest
from kedro.io import DatasetError

from ragtuned_kedro.datasets import endpoint
from ragtuned_kedro.datasets.endpoint import EndpointDataset, find_key
from ragtuned_kedro.schemas.errors import UserError
from tests.language_models.endpoints import endpoint_params


def dataset(tmp_path, **changes: object) -> EndpointDataset:
    settings = endpoint_params("http://127.0.0.1:1/v1").model_dump(mode="json") | changes
    return EndpointDataset(role="teacher", settings=settings, filepath=str(tmp_path / "store"))


def test_the_environment_comes_before_conf_local(tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint, "find_kedro_project", lambda _: tmp_path)
    monkeypatch.delenv("TEACHER_API_KEY", raising=False)
    assert find_key("teacher") is None
    (tmp_path / "conf/local").mkdir(parents=True)
    (tmp_path / "conf/local/credentials.yml").write_text("teacher: {api_key: from-file}")
    found = find_key("teacher")
    assert found is not None
    assert found.get_secret_value() == "from-file"
    monkeypatch.setenv("TEACHER_API_KEY", "from-environment")
    found = find_key("teacher")
    assert found is not None
    assert found.get_secret_value() == "from-environment"
    assert find_key("judge") is None


def test_a_broken_credentials_file_is_named_and_not_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint, "find_kedro_project", lambda _: tmp_path)
    monkeypatch.delenv("TEACHER_API_KEY", raising=False)
    (tmp_path / "conf/local").mkdir(parents=True)
    (tmp_path / "conf/local/credentials.yml").write_text("teacher: [sk-secret: {")
    with pytest.raises(UserError, match=r"conf/local/credentials\.yml") as told:
        find_key("teacher")
    assert "sk-secret" not in f"{told.value} {told.value.__cause__}"


def test_the_key_shows_in_no_description(tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHER_API_KEY", "sk-very-secret")
    one = dataset(tmp_path)
    asker = one.load()
    assert one.load() is asker
    assert "sk-very-secret" not in f"{one!r} {one._describe()} {vars(asker)} {asker!r}"


def test_a_wrong_setting_or_a_forbidden_endpoint_is_named(tmp_path):
    with pytest.raises(DatasetError, match="teacher in the catalog: modell"):
        dataset(tmp_path, modell="x").load()
    with pytest.raises(DatasetError, match="egress is local_only"):
        dataset(tmp_path, url="https://api.example.com/v1").load()
    with pytest.raises(DatasetError, match="url") as told:
        dataset(tmp_path, url="http://user:pass@127.0.0.1/v1").load()
    assert "pass" not in str(told.value)
