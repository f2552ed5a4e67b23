"""A folder of files, as names and bytes: what people put in."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from ragtuned_kedro.schemas.errors import UserError


class FilesDataset(AbstractDataset[None, list[tuple[str, bytes]]]):
    """Reads every file below a folder, hidden ones apart; nothing is ever written there."""

    def __init__(
        self, *, filepath: str, setting: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Name the folder and the `setting` that chooses it; `metadata` is for Kedro-Viz."""
        self._folder = Path(filepath)
        self._setting = setting
        self.metadata = metadata

    def load(self) -> list[tuple[str, bytes]]:
        """Read the files, sorted; a name is the path below the folder, with forward slashes.

        Raises:
            UserError: If the folder is missing.
        """
        if not self._folder.is_dir():
            raise UserError(
                f"the folder {self._folder} does not exist; create it or set {self._setting} "
                "(conf/base/globals.yml, or --params) to a folder that does"
            )
        return [
            (file.relative_to(self._folder).as_posix(), file.read_bytes())
            for file in sorted(self._folder.rglob("*"))
            if file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(self._folder).parts)
        ]

    def save(self, data: None) -> None:
        """Refuse: these files are written by people."""
        raise UserError(f"the files in {self._folder} are read only")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}

    def _exists(self) -> bool:
        return self._folder.is_dir()
