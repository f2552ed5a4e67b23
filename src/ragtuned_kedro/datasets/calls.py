"""The calls of a stage, which are none before it has run."""

import pandas as pd
from kedro_datasets.pandas import ParquetDataset

from ragtuned_kedro.schemas.call_tables import ModelCalls
from ragtuned_kedro.schemas.tables import frame_of


class ModelCallsDataset(ParquetDataset):
    """ModelCalls that load without rows where no file is.

    So that what models have cost, and were told, can be listed at any moment, and not only after
    the last stage that asks one.
    """

    def load(self) -> pd.DataFrame:
        """Read the file, if there is one."""
        return super().load() if self._exists() else frame_of(ModelCalls, [])
