"""A folder of prompts."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from ragtuned_kedro.language_models.prompt_files import PromptBook, read_prompts
from ragtuned_kedro.schemas.errors import UserError


class PromptsDataset(AbstractDataset[None, PromptBook]):
    """Loads the prompts of one room; people write them, nodes do not."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the folder; `metadata` is for Kedro-Viz."""
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> PromptBook:
        """Read all files.

        Raises:
            UserError: If there is no such folder.
        """
        if not self._folder.is_dir():
            raise UserError(f"the folder of prompts {self._folder} does not exist")
        return read_prompts(self._folder)

    def save(self, data: None) -> None:
        """Refuse."""
        raise UserError(f"{self._folder} holds prompts; no node may write them")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}
