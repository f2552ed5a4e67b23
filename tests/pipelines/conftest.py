"""A session of its own for tests that run stages of the project."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from kedro.framework.startup import bootstrap_project

from ragtuned_kedro.pipelines.engines import EMBEDDED, choose_engines

ROOT = Path(__file__).parents[2]


@pytest.fixture
def in_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(ROOT)
    bootstrap_project(ROOT)
    yield
    while mlflow.active_run():
        mlflow.end_run()
    if choose_engines(EMBEDDED):
        bootstrap_project(ROOT)
