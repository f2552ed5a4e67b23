"""Kedro-Viz draws layers only where data never walks back to an earlier one."""

from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader
from kedro.pipeline import Pipeline

from ragtuned_kedro.pipeline_registry import register_pipelines
from ragtuned_kedro.pipelines.engines import EMBEDDED, choose_engines
from ragtuned_kedro.schemas.teaching_parameters import EngineParams
from ragtuned_kedro.settings import CONFIG_LOADER_ARGS

CONF = Path(__file__).parents[1] / "conf"


@pytest.mark.parametrize("env", ["base", "teacher"])
def test_data_never_walks_back_to_an_earlier_layer(env: str) -> None:
    loader = OmegaConfigLoader(str(CONF), env=env, **CONFIG_LOADER_ARGS)
    layers = _layers(loader["catalog"])
    choose_engines(EngineParams.model_validate(loader["parameters"]["engines"]))
    try:
        pipelines = register_pipelines()
    finally:
        choose_engines(EMBEDDED)
    assert not [back for pipeline in pipelines.values() for back in _ways_back(pipeline, layers)]


def _layers(catalog: dict[str, dict]) -> dict[str, str]:
    """Read the layer of each dataset; a pattern counts for what follows its namespace."""
    return {
        name.removeprefix("{namespace}."): entry["metadata"]["kedro-viz"]["layer"]
        for name, entry in catalog.items()
        if not name.startswith("_")
    }


def _ways_back(pipeline: Pipeline, layers: dict[str, str]) -> list[tuple[str, str]]:
    reached: dict[str, str] = {}
    found = []
    for node in pipeline.nodes:
        before = max((_latest(name, layers, reached) for name in node.inputs), default="")
        for name in node.outputs:
            layer = _layer(name, layers)
            if layer and layer < before:
                found.append((node.name, name))
            reached[name] = max(before, layer)
    return found


def _latest(name: str, layers: dict[str, str], reached: dict[str, str]) -> str:
    return reached.get(name, _layer(name, layers))


def _layer(name: str, layers: dict[str, str]) -> str:
    return layers.get(name, layers.get(name.partition(".")[2], ""))
