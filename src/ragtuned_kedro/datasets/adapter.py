"""A LoRA adapter as a folder: PEFT's files and the adapter's card."""

import os
import shutil
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from ragtuned_kedro.language_models.adapter_folder import ADAPTER_CARD
from ragtuned_kedro.schemas.errors import UserError


class AdapterDataset(AbstractDataset[Path, Path]):
    """Saves a copy of an adapter folder and loads as the copy's path."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the folder; `metadata` is for Kedro-Viz."""
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """Name the folder.

        Raises:
            UserError: If nothing was tuned yet.
        """
        if not self._exists():
            raise UserError("there is no adapter yet; run `kedro run` or at least its tune_adapter")
        return self._folder

    def save(self, data: Path) -> None:
        """Copy the folder `data`; a reader sees the old adapter or the new one, never a mixture."""
        unfinished = self._folder.with_name(f".{self._folder.name}.unfinished")
        replaced = self._folder.with_name(f".{self._folder.name}.replaced")
        for left_over in (unfinished, replaced):
            shutil.rmtree(left_over, ignore_errors=True)
        shutil.copytree(data, unfinished)
        if self._folder.exists():
            os.replace(self._folder, replaced)
        os.replace(unfinished, self._folder)
        shutil.rmtree(replaced, ignore_errors=True)

    def preview(self) -> JSONPreview:
        """Show the adapter's card in Kedro-Viz."""
        return JSONPreview((self._folder / ADAPTER_CARD).read_text())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}

    def _exists(self) -> bool:
        return (self._folder / ADAPTER_CARD).exists()
