"""Around nodes: time is measured, memory given back; a run ends with what it achieved."""

import threading
import time
from typing import Any

import mlflow
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from rich.console import Console

from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.memory import give_back_freed_memory
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.pipelines.lineage import find_stages
from ragtuned_kedro.pipelines.systems import BASELINE, CANDIDATE
from ragtuned_kedro.reporting.closing_table import closing_table
from ragtuned_kedro.schemas.parameters import Block

Seconds = dict[str, dict[str, float]]


class StageSeconds:
    """Keeps `stage_seconds` in the catalog: seconds by pipeline and node, as last measured.

    A node that did not run keeps its earlier time, so that a resumed run still tells what the
    whole cost. The file is written after every node: the report is itself a node and reads it.
    """

    dataset = "stage_seconds"

    def __init__(self) -> None:
        self._started: dict[str, float] = {}
        self._seconds: Seconds = {}
        self._stage_of: dict[str, str] = {}
        # Several nodes end at once under the ThreadRunner.
        self._lock = threading.Lock()

    @hook_impl
    def before_pipeline_run(self, catalog: CatalogProtocol) -> None:
        """Start from earlier times, without those of nodes that no longer exist."""
        if self.dataset not in catalog:
            return
        self._stage_of = _stages(find_stages())
        earlier: Seconds = catalog.load(self.dataset) if catalog.exists(self.dataset) else {}
        kept = {
            stage: {
                node: seconds
                for node, seconds in nodes.items()
                if self._stage_of.get(node) == stage
            }
            for stage, nodes in earlier.items()
        }
        self._seconds = {stage: nodes for stage, nodes in kept.items() if nodes}
        catalog.save(self.dataset, self._seconds)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the clock of a node."""
        self._started[node.name] = time.perf_counter()

    @hook_impl
    def after_node_run(self, node: Node, catalog: CatalogProtocol) -> None:
        """Stop the clock of a node and write all times down."""
        seconds = time.perf_counter() - self._started.pop(node.name, time.perf_counter())
        if self.dataset not in catalog:
            return
        with self._lock:
            stage = self._stage_of.get(node.name, "other")
            self._seconds.setdefault(stage, {})[node.name] = round(seconds, 3)
            catalog.save(self.dataset, self._seconds)


class FreedMemory:
    """Keeps what finished nodes held from adding up to the peak of the run.

    It is given back before a node, not after one: the runner drops a node's inputs, such as a
    system and its model, only when all that follows the node is done.
    """

    @hook_impl
    def before_node_run(self) -> None:
        """Give it back."""
        give_back_freed_memory()


class ClosingTable:
    """Prints what was remembered, what it took and where it lies, after a run with a report."""

    node = "render_report"

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Print the table."""
        if self.node not in {node.name for node in pipeline.nodes}:
            return
        registration: dict[str, Any] = catalog.load("registration")
        table = closing_table(
            catalog.load("metrics"),
            catalog.load("comparison"),
            catalog.load("running_costs"),
            catalog.load("judge_metrics"),
            catalog.load("stage_rows"),
            catalog.load("stage_seconds"),
            candidate=CANDIDATE,
            baseline=BASELINE,
            whereabouts={
                "report": getattr(catalog["report"], "_filepath", None),
                "MLflow run": f"{registration['run_id']} in {registration['tracking_uri']}",
                "model": f"{registration['model_uri']} (version {registration['version']})",
                "champion": registration["decision"],
            },
        )
        Console().print(table)


def _stages(registered: dict[str, Pipeline]) -> dict[str, str]:
    """Map nodes to the smallest registered pipeline that holds them; larger ones are sums."""
    smallest_first = sorted(
        registered.items(), key=lambda item: (len(item[1].nodes), item[0]), reverse=True
    )
    return {node.name: name for name, pipeline in smallest_first for node in pipeline.nodes}


class TypedParameters:
    """Logs typed parameter blocks to MLflow one value at a time, and prompts by their hashes.

    kedro-mlflow flattens dictionaries only and would log a block as one long string.
    """

    def __init__(self) -> None:
        # MLflow refuses a value that another thread has logged since it looked for it.
        self._lock = threading.Lock()

    @hook_impl
    def before_node_run(self, inputs: dict[str, Any]) -> None:
        """Log the blocks among a node's inputs."""
        if mlflow.active_run() is None:
            return
        logged: dict[str, Any] = {}
        for name, value in inputs.items():
            if name.startswith("params:") and isinstance(value, Block):
                block = name.removeprefix("params:")
                for key, item in value.model_dump(mode="json").items():
                    logged[f"{block}.{key}"] = str(item)[:500]
            if isinstance(value, PromptBook):
                for file in value.files.values():
                    logged[f"prompts.{value.room}.{file.name}"] = file.sha
            if isinstance(value, Asker):
                logged[f"{value.role}.model"] = value.model_id
                logged[f"{value.role}.endpoint"] = value.endpoint
        if logged:
            # In one transaction, not one for each of some tens of values.
            with self._lock:
                mlflow.log_params(logged)
