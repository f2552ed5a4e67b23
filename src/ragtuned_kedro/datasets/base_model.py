"""Where the base model lies: a small file that names the folder with the weights."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import BaseModelFolder


class BaseModelFolderDataset(AbstractDataset[BaseModelFolder, BaseModelFolder]):
    """Keeps path, id and revision as JSON; a path below the file's folder is kept relative."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the JSON file; `metadata` is for Kedro-Viz."""
        self._file = Path(filepath).absolute()
        self.metadata = metadata

    def load(self) -> BaseModelFolder:
        """Read the file and see that the folder is there.

        Raises:
            UserError: If either is missing.
        """
        if not self._file.exists():
            raise UserError("there is no base model yet; run `kedro run --pipelines fetch_model`")
        known = BaseModelFolder(**json.loads(self._file.read_text()))
        folder = self._file.parent / known.path
        if not folder.is_dir():
            raise UserError(
                f"the base model {known.model_id} is no longer in {folder}; "
                "run `kedro run --pipelines fetch_model`"
            )
        return BaseModelFolder(str(folder), known.model_id, known.revision)

    def save(self, data: BaseModelFolder) -> None:
        """Write the file."""
        folder = Path(data.path).absolute()
        if folder.is_relative_to(self._file.parent):
            folder = folder.relative_to(self._file.parent)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        kept = asdict(data) | {"path": folder.as_posix()}
        self._file.write_text(json.dumps(kept, indent=2) + "\n")

    def preview(self) -> JSONPreview:
        """Show id and revision in Kedro-Viz."""
        return JSONPreview(self._file.read_text())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._file)}

    def _exists(self) -> bool:
        return self._file.exists()
