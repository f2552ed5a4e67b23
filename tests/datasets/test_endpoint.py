"""A role's key comes from the environment or conf/local, and shows nowhere."""

from pathlib import Path

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog, DatasetError

from ragtuned_kedro.datasets import endpoint
from ragtuned_kedro.datasets.endpoint import EndpointDataset, find_key
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.settings import CONFIG_LOADER_ARGS
from tests.language_models.endpoints import endpoint_params


def dataset(tmp_path, **changes: object) -> EndpointDataset:
    settings = endpoint_params("http://127.0.0.1:1/v1").model_dump(mode="json") | changes
    return EndpointDataset(role="teacher", settings=settings, filepath=str(tmp_path / "store"))


@pytest.fixture
def credentials(tmp_path, monkeypatch) -> Path:
    """Give a conf/local/credentials.yml that does not exist yet; no key is in the environment."""
    monkeypatch.setattr(endpoint, "find_kedro_project", lambda _: tmp_path)
    for role in ("TEACHER", "JUDGE", "EMBEDDER"):
        monkeypatch.delenv(f"{role}_API_KEY", raising=False)
    (tmp_path / "conf/local").mkdir(parents=True)
    return tmp_path / "conf/local/credentials.yml"


def key_of(role: str, *, url: str = "http://there/v1") -> str | None:
    found = find_key(role, url=url, teacher_url="http://there/v1")
    return found and found.get_secret_value()


def test_the_environment_comes_before_conf_local(credentials, monkeypatch):
    assert key_of("teacher") is None
    credentials.write_text("teacher: {api_key: from-file}")
    assert key_of("teacher") == "from-file"
    monkeypatch.setenv("TEACHER_API_KEY", "from-environment")
    assert key_of("teacher") == "from-environment"


@pytest.mark.parametrize("role", ["judge", "embedder"])
def test_who_asks_where_the_teacher_asks_has_its_key_and_nobody_elsewhere(
    credentials, monkeypatch, role
):
    monkeypatch.setenv("TEACHER_API_KEY", "of-the-teacher")
    assert key_of(role) == "of-the-teacher"
    assert key_of(role, url="http://elsewhere/v1") is None
    credentials.write_text(f"{role}: {{api_key: its-own}}")
    assert key_of(role) == key_of(role, url="http://elsewhere/v1") == "its-own"
    assert key_of("teacher") == "of-the-teacher"


def test_with_the_teachers_key_alone_the_catalogs_judge_asks_with_it(credentials, monkeypatch):
    """So that a run with --env=teacher does not fail with 401 once it has tuned."""
    monkeypatch.setenv("TEACHER_API_KEY", "of-the-teacher")
    for more, key in (({}, "of-the-teacher"), ({"judge_url": "http://127.0.0.1:2/v1"}, None)):
        config = OmegaConfigLoader(
            "conf",
            env="teacher",
            runtime_params={"data_root": str(credentials.parent), **more},
            **CONFIG_LOADER_ARGS,
        )
        entries = {"judge": config["catalog"]["judge"]}
        judge = DataCatalog.from_config(entries).load("judge")
        held = judge._paid.model._endpoint._api_key
        assert (held and held.get_secret_value()) == key


@pytest.mark.parametrize(
    "key", ["sk-secret ", "sk-secret\n", "sk secret", "sk-secrét", "\tsk-secret"]
)
def test_a_key_that_no_header_can_carry_is_refused_by_where_it_stands(
    credentials, monkeypatch, key
):
    credentials.write_text(yaml.safe_dump({"judge": {"api_key": key}}))
    with pytest.raises(UserError, match=r"judge\.api_key in conf/local/credentials\.yml") as told:
        key_of("judge")
    assert "secr" not in str(told.value)
    monkeypatch.setenv("JUDGE_API_KEY", key)
    with pytest.raises(UserError, match="variable JUDGE_API_KEY") as told:
        key_of("judge")
    assert "secr" not in str(told.value)


def test_a_broken_credentials_file_is_named_and_not_shown(credentials):
    credentials.write_text("teacher: [sk-secret: {")
    with pytest.raises(UserError, match=r"conf/local/credentials\.yml") as told:
        key_of("teacher")
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
