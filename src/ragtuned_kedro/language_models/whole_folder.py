"""Folders that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def make_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a folder that appears whole or not at all; do nothing if it is there."""
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        fill(unfinished)
        os.replace(unfinished, folder)
    except OSError:
        # Another process may have been quicker; its folder holds the same.
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
