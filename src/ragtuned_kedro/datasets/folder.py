"""A folder in which a stage keeps its own files between runs."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from ragtuned_kedro.schemas.errors import UserError


class FolderDataset(AbstractDataset[None, Path]):
    """Loads as a path; the folder is created on demand and never cleared."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the folder; `metadata` is for Kedro-Viz."""
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """Create the folder if need be."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def save(self, data: None) -> None:
        """Refuse: whoever loads the folder writes into it."""
        raise UserError(f"{self._folder} is written by the stage that loads it, not saved to")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}

    def _exists(self) -> bool:
        return self._folder.is_dir()
