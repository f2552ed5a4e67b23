"""Laws of base models from a hub; huggingface_hub downloads them from a server on loopback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ragtuned_kedro.language_models.chat import load_chat
from tests.language_models.hub_server import COMMIT, HubServer

CLIENT = """
import sys
from pathlib import Path
from ragtuned_kedro.language_models.base_model import resolve_base_model
from ragtuned_kedro.schemas.errors import UserError
try:
    model = resolve_base_model(
        "hub:" + sys.argv[1],
        revision=sys.argv[3] or None,
        sha256=None,
        chat_template=None,
        cache=Path(sys.argv[2]),
    )
    print(model.path, model.model_id, model.revision, sep="\\n")
except UserError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
"""


def resolve(
    url: str, cache: Path, name: str = "owner/toy", revision: str = ""
) -> subprocess.CompletedProcess:
    """Resolve in a process of its own: the library reads the hub's address when it is imported."""
    return subprocess.run(
        [sys.executable, "-c", CLIENT, name, str(cache), revision],
        env=os.environ | {"HF_ENDPOINT": url, "HF_HUB_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def repository(toy_model, tmp_path):
    folder = shutil.copytree(toy_model.path, tmp_path / "repository")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling_toy.py").write_text("raise SystemExit")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("revision", ["", COMMIT])
def test_a_hub_model_is_fetched_once_without_code_or_pickles(repository, tmp_path, revision):
    cache = tmp_path / "cache"
    with HubServer(repository, "owner/toy") as hub:
        first = resolve(hub.url, cache, revision=revision)
        assert first.returncode == 0, first.stderr
        path, model_id, found = first.stdout.split("\n")[:3]
        assert (model_id, found) == ("hub:owner/toy", COMMIT)
        assert "model.safetensors" in hub.fetched
        assert not {"pytorch_model.bin", "modeling_toy.py"} & set(hub.fetched)
        n_fetched = len(hub.fetched)
        assert resolve(hub.url, cache, revision=revision).stdout == first.stdout
        assert len(hub.fetched) == n_fetched
    assert resolve(hub.url, cache, revision=revision).stdout == first.stdout, "without the hub"
    assert load_chat(path).tokenizer.chat_template
    assert Path(path).is_relative_to(cache)


@pytest.mark.slow
def test_a_hub_model_that_is_not_there_or_unsafe_is_the_users_to_fix(repository, tmp_path):
    with HubServer(repository, "owner/toy") as hub:
        absent = resolve(hub.url, tmp_path / "cache", name="owner/other")
        assert absent.returncode == 1
        assert "hub:owner/other (revision main) could not be downloaded" in absent.stderr
        (repository / "model.safetensors").unlink()
        unsafe = resolve(hub.url, tmp_path / "cache")
        assert unsafe.returncode == 1
        assert "has no *.safetensors file" in unsafe.stderr
    assert "Traceback" not in absent.stderr + unsafe.stderr
