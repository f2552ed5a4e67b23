"""Metrics of an MLflow run, written many at a time."""

import time
from typing import Any

from kedro_mlflow.io.metrics import MlflowMetricsHistoryDataset
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

# The most that MLflow's servers take in one request.
_BATCH = 1000


class MetricBatchesDataset(MlflowMetricsHistoryDataset):
    """Saves what `MlflowMetricsHistoryDataset` does, {name: {step, value} or a list of them}.

    That one makes a transaction of every value; a training log has thousands.
    """

    def _save(self, data: dict[str, Any]) -> None:
        if not self._logging_activated:
            return
        now = int(time.time() * 1000)
        metrics = [
            Metric(name, value, now, step)
            for key, item in data.items()
            for name, value, step in self._build_args_list_from_metric_item(key, item)
        ]
        for start in range(0, len(metrics), _BATCH):
            MlflowClient().log_batch(self.run_id, metrics[start : start + _BATCH])
