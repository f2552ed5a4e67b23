"""Calls: of a stage, which are none before it has run, and all that were ever sent."""

from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset
from kedro_datasets.pandas import ParquetDataset

from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.schemas.call_tables import ModelCalls, Sendings
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.tables import frame_of


class ModelCallsDataset(ParquetDataset):
    """ModelCalls that load without rows where no file is.

    So that what models have cost, and were told, can be listed at any moment, and not only after
    the last stage that asks one.
    """

    def load(self) -> pd.DataFrame:
        """Read the file, if there is one."""
        return super().load() if self._exists() else frame_of(ModelCalls, [])


class SendingsDataset(AbstractDataset[None, pd.DataFrame]):
    """Sendings, as the completion store has them at this moment: those of killed runs, too."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the completion store; `metadata` is for Kedro-Viz."""
        self._store = Path(filepath)
        self.metadata = metadata

    def load(self) -> pd.DataFrame:
        """Read the store, if there is one."""
        sent = CompletionStore(self._store).sendings() if self._exists() else []
        return frame_of(Sendings, [one._asdict() for one in sent])

    def save(self, data: None) -> None:
        """Refuse: what was sent is written before it leaves."""
        raise UserError("sendings are written by the models that send; no node may write them")

    def _describe(self) -> dict[str, Any]:
        return {"store": str(self._store)}

    def _exists(self) -> bool:
        return self._store.exists()
