from pathlib import Path

import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro_datasets.pandas import ParquetDataset

from ragtuned_kedro.datasets.adapter import AdapterDataset
from ragtuned_kedro.datasets.base_model import BaseModelFolderDataset
from ragtuned_kedro.datasets.folder import FolderDataset
from ragtuned_kedro.language_models.adapter_folder import READER, read_adapter_card
from ragtuned_kedro.pipelines import answer_queries, fetch_model, tune_adapter
from ragtuned_kedro.pipelines.systems import ALL_ANSWERS, ALL_RETRIEVALS, PLANS
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams, RecallParams
from ragtuned_kedro.schemas.answering_tables import Answers
from ragtuned_kedro.schemas.model_parameters import BaseModelParams
from ragtuned_kedro.schemas.synthesis_parameters import ExampleParams
from ragtuned_kedro.schemas.synthesis_tables import ReadingQuestions
from ragtuned_kedro.schemas.tables import TrainingLog, frame_of
from ragtuned_kedro.schemas.tuning_parameters import (
    LoraParams,
    OptimizationParams,
    QuantizationParams,
)
from tests.toy_model import build_toy_model

CONF = Path(__file__).parents[2] / "conf" / "base"
BLOCKS = {
    "base_model": BaseModelParams,
    "quantization": QuantizationParams,
    "lora": LoraParams,
    "optimization": OptimizationParams,
    "answering": AnsweringParams,
    "rag_tuned": RecallParams,
    "examples": ExampleParams,
    "reader_lora": LoraParams,
    "reader_optimization": OptimizationParams,
}
EXAMPLES = [
    {
        "example_id": f"example-{place}",
        "qa_id": f"qa-{place}",
        "split": "train",
        "messages": [
            {"role": "user", "content": f"Who is number {place}?"},
            {"role": "assistant", "content": f"{place} is Odile."},
        ],
        # More than the chat has, so that it is not cut.
        "n_tokens": 512,
        "n_target_tokens": 256,
    }
    for place in range(8)
]


READING_QUESTIONS = [
    {
        "example_id": f"reading-{place}",
        "position": position,
        "passage": f"{place} is Odile.",
        "kind": "local" if position == 0 else "elsewhere",
        "text": f"Who is number {place + position}?",
        "is_told": position == 0,
    }
    for place in range(4)
    for position in range(2)
]


def read_settings() -> dict[str, dict]:
    texts = [file.read_text() for file in sorted(CONF.glob("parameters_*.yml"))]
    return {key: block for text in texts for key, block in yaml.safe_load(text).items()}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> DataCatalog:
    """The catalog after a model was fetched, tuned and asked, with the project's own defaults."""
    folder = tmp_path_factory.mktemp("project")
    settings = read_settings()
    settings["base_model"] |= {"source": str(build_toy_model(folder / "toy")), "sha256": None}
    queries = pd.DataFrame({"query_id": ["equery-b", "equery-a"], "text": ["Who?", "Where?"]})
    catalog = DataCatalog(
        {
            **{f"params:{name}": MemoryDataset(BLOCKS[name](**settings[name])) for name in BLOCKS},
            "base_model_cache": FolderDataset(filepath=str(folder / "cache")),
            "base_model_folder": BaseModelFolderDataset(filepath=str(folder / "model.json")),
            "tuning_workspace": FolderDataset(filepath=str(folder / "tuning")),
            "completion_folder": FolderDataset(filepath=str(folder / "completions")),
            "adapter": AdapterDataset(filepath=str(folder / "adapter")),
            "training_examples": MemoryDataset(pd.DataFrame(EXAMPLES)),
            "asked_queries": MemoryDataset(queries),
            "reader": AdapterDataset(filepath=str(folder / "reader")),
            "reading_questions": MemoryDataset(frame_of(ReadingQuestions, READING_QUESTIONS)),
            "reading_log": MemoryDataset(),
            "training_log": ParquetDataset(filepath=str(folder / "training_log.parquet")),
            "training_metrics": MemoryDataset(),
            "base_model.answers": MemoryDataset(),
            "rag_tuned.answers": MemoryDataset(),
            "base_model.retrievals": MemoryDataset(),
            "rag_tuned.retrievals": MemoryDataset(),
            "base_model.system": MemoryDataset(copy_mode="assign"),
            "rag_tuned.system": MemoryDataset(copy_mode="assign"),
        }
    )
    # The systems that retrieve are part of the smoke run, which has a graph for them.
    for pipeline in (
        fetch_model.create_pipeline().only_nodes("fetch_base_model"),
        tune_adapter.create_pipeline(),
        answer_queries.create_pipeline().only_nodes_with_namespaces(["base_model", "rag_tuned"]),
    ):
        SequentialRunner().run(pipeline, catalog)
    return catalog


def test_the_adapter_lies_where_the_catalog_says_and_knows_its_base(catalog):
    card = read_adapter_card(catalog.load("adapter"))
    assert card.base_model_revision == catalog.load("base_model_folder").revision
    assert card.n_examples == len(EXAMPLES)


def test_the_reader_lies_beside_the_adapter_and_has_a_history_of_its_own(catalog):
    card = read_adapter_card(catalog.load("adapter") / READER)
    assert card.n_examples == 4
    assert read_adapter_card(catalog.load("adapter")).reader_id == card.adapter_id
    log = TrainingLog.validate(catalog.load("reading_log"))
    assert log["target_tokens_seen"].max() == len(READING_QUESTIONS)


def test_the_history_holds_every_step(catalog):
    log = TrainingLog.validate(catalog.load("training_log"))
    points = catalog.load("training_metrics")["train.loss"]
    assert [point["step"] for point in points] == log["step"].tolist()
    assert [point["value"] for point in points] == log["loss"].tolist()


@pytest.mark.parametrize("system", ["base_model", "rag_tuned"])
def test_every_system_answers_every_query(catalog, system):
    answers = Answers.validate(catalog.load(f"{system}.answers"))
    assert answers["query_id"].tolist() == ["equery-a", "equery-b"]
    assert set(answers["system"]) == {system}


def test_what_is_made_for_the_answers_is_named_by_its_system():
    names = answer_queries.create_pipeline().outputs()
    index_costs = {f"{name}.index_costs" for name, plan in PLANS.items() if plan.index}
    assert names == {*ALL_ANSWERS, *ALL_RETRIEVALS, *index_costs}


def test_a_shared_index_is_that_of_a_system_with_one():
    for plan in PLANS.values():
        assert plan.index_of is None or PLANS[plan.index_of].index is not None
