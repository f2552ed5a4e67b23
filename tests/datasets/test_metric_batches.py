import mlflow
import pytest

from ragtuned_kedro.datasets import metric_batches
from ragtuned_kedro.datasets.metric_batches import MetricBatchesDataset


@pytest.fixture
def run(tmp_path):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    with mlflow.start_run() as run:
        yield run
    mlflow.set_tracking_uri(before)


def test_what_is_saved_in_several_batches_is_loaded_whole(run, monkeypatch):
    monkeypatch.setattr(metric_batches, "_BATCH", 2)
    data = {
        "tuning.loss": [{"step": step, "value": 1 / (step + 1)} for step in range(5)],
        "tuning.done": {"step": 0, "value": 1.0},
    }
    MetricBatchesDataset().save(data)
    assert MetricBatchesDataset().load() == data
