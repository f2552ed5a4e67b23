from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.pickle import PickleDataset

from ragtuned_kedro.hooks import ClosingTable, StageSeconds
from ragtuned_kedro.pipelines.ask_questions import create_pipeline as ask_questions
from ragtuned_kedro.pipelines.engines import EMBEDDED, choose_engines
from ragtuned_kedro.pipelines.generate_questions import create_pipeline as generate_questions
from ragtuned_kedro.pipelines.lineage import find_stages, index_nodes
from ragtuned_kedro.pipelines.report_results import create_pipeline as report_results
from ragtuned_kedro.pipelines.score_answers import create_pipeline as score_answers
from ragtuned_kedro.pipelines.systems import ALL_INDEX_COSTS, SYSTEMS
from ragtuned_kedro.reporting.stages import STAGE_OF
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams, ComparedQuestionsParams
from ragtuned_kedro.schemas.answering_tables import IndexCosts
from ragtuned_kedro.schemas.call_tables import CallEstimates, ModelCalls, Sendings
from ragtuned_kedro.schemas.corpus_tables import Chunks
from ragtuned_kedro.schemas.evaluation_parameters import GenerationParams, ScoringParams
from ragtuned_kedro.schemas.evaluation_tables import Judgements, Metrics, RunningCosts
from ragtuned_kedro.schemas.graph_tables import (
    EntityChunks,
    EntityMentions,
    RelationshipChunks,
    RelationshipMentions,
)
from ragtuned_kedro.schemas.records import AdapterCard, BaseModelFolder
from ragtuned_kedro.schemas.reporting_parameters import ReportingParams
from ragtuned_kedro.schemas.synthesis_tables import GroundingCalibration
from ragtuned_kedro.schemas.tables import frame_of
from ragtuned_kedro.schemas.teaching_parameters import EngineParams
from tests.reporting.run_tables import ABSTENTIONS, JOURNAL, RunTables, run_tables
from tests.scripted_teacher import asker_of, teach
from tests.toy_model import build_toy_embedder

SCORING = ScoringParams(abstention_phrases=ABSTENTIONS, n_bootstrap=100, confidence=0.9, seed=1)
REPORTING = ReportingParams(
    title="Journal",
    n_examples_right=2,
    n_examples_wrong=2,
    max_reports=5,
    graph_max_entities=30,
    graph_n_labels=5,
    graph_seed=1,
)
REGISTRATION = {
    "model_name": "toy",
    "version": "1",
    "aliases": ["challenger"],
    "model_uri": "models:/toy@challenger",
    "decision": "No local questions were asked.",
    "run_id": "0af",
    "tracking_uri": "sqlite:///mlflow.db",
}


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """An adapter folder that holds its card alone."""
    card = {
        name: "x" if field.annotation is str else 1
        for name, field in AdapterCard.model_fields.items()
    }
    card |= {"target_modules": ["q_proj"], "reader_id": None}
    text = AdapterCard.model_validate(card).model_dump_json()
    (tmp_path / "adapter_card.json").write_text(text)
    return tmp_path


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_toy_embedder(tmp_path_factory.mktemp("embedder"))


def _catalog(
    run: RunTables, adapter: Path, embedder: Path, questions: list[tuple[str, bytes]]
) -> DataCatalog:
    given = {
        "raw_questions": questions,
        "documents": run.documents,
        "chunks": frame_of(Chunks, []),
        "sentences": run.sentences,
        "entity_mentions": frame_of(EntityMentions, []),
        "relationship_mentions": frame_of(RelationshipMentions, []),
        "entities": run.entities,
        "relationships": run.relationships,
        "communities": run.communities,
        "community_members": run.community_members,
        "community_reports": run.community_reports,
        "report_findings": run.report_findings,
        "training_queries": run.training_queries,
        "qa_pairs": run.qa_pairs,
        "qa_evidence": run.qa_evidence,
        "training_examples": pd.DataFrame(),
        "reading_questions": pd.DataFrame(),
        "synthesis_ledger": run.ledger,
        "training_log": run.training_log,
        "adapter": adapter,
        "registration": REGISTRATION,
        "embedder_folder": BaseModelFolder(str(embedder), "toy", "0"),
        "index_folder": adapter.with_name(f"{adapter.name}-indexes"),
        "params:answering": AnsweringParams(
            max_new_tokens=8, abstention="I do not know.", batch_size=2, device="cpu"
        ),
        "judgements": frame_of(Judgements, []),
        "judge_metrics": frame_of(Metrics, []),
        "judge_calls": frame_of(ModelCalls, []),
        "call_estimates": frame_of(CallEstimates, []),
        "entity_chunks": frame_of(EntityChunks, []),
        "relationship_chunks": frame_of(RelationshipChunks, []),
        "sendings": frame_of(Sendings, []),
        "stage_seconds": {"tune_adapter": {"tune": 3.0}},
        "params:compared_questions": ComparedQuestionsParams(n_questions=None, seed=1),
        "params:generation": GenerationParams(
            n_per_scope=3, decontamination_similarity=0.9, seed=1
        ),
        "params:scoring": SCORING,
        "params:reporting": REPORTING,
        "parameters": {"scoring": SCORING, "n": 1},
    }
    asked = run.answers if questions else run.answers.head(0)
    index_costs = [{"unit_kind": "chunk", "n_units": 9, "n_tokens": 90}]
    index_costs[0] |= {"n_bytes": 900, "seconds": 12.5}
    given |= dict.fromkeys(ALL_INDEX_COSTS, frame_of(IndexCosts, index_costs))
    for system in SYSTEMS:
        given[f"{system}.answers"] = asked[asked["system"] == system].reset_index(drop=True)
    kept = ("report", "metrics", "comparison", "running_costs", "graph_picture", "scorecard_plot")
    kept += ("mlflow_metrics", "stage_rows", "win_matrix")
    datasets = {name: MemoryDataset(data) for name, data in given.items()}
    judge, _ = asker_of(teach, adapter / "completions.sqlite")
    datasets["judge"] = MemoryDataset(judge, copy_mode="assign")
    # On disk, because a runner lets go of what lies in memory and was read.
    saved = {name: PickleDataset(filepath=str(adapter / name)) for name in kept}
    return DataCatalog({**datasets, **saved})


def _one_call(stage: str, endpoint: str) -> pd.DataFrame:
    row = {"key": "query-1|rag_tuned|base_model|first|0", "stage": stage, "attempt": 0}
    row |= {"call_id": "call-1", "model_id": "m", "endpoint": endpoint}
    row |= {"request_sha": "x", "outcome": "valid", "text": "t", "seconds": 1.0, "error": None}
    row |= {"n_prompt_tokens": 9, "n_completion_tokens": 9}
    return frame_of(ModelCalls, [row])


def _run_all(catalog: DataCatalog) -> Pipeline:
    pipeline = ask_questions() + generate_questions() + score_answers() + report_results()
    SequentialRunner().run(pipeline, catalog)
    return pipeline


def test_the_pipelines_go_from_question_files_to_a_report(
    adapter: Path, embedder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [(one.name, one.read_bytes()) for one in (JOURNAL / "questions").iterdir()]
    catalog = _catalog(run_tables(), adapter, embedder, files)
    pipeline = _run_all(catalog)
    assert catalog.load("report").startswith("<!doctype html>")
    assert "Nothing left this machine" in catalog.load("report")
    assert isinstance(catalog.load("graph_picture"), go.Figure)
    Metrics.validate(catalog.load("metrics"))
    Metrics.validate(catalog.load("comparison"))
    RunningCosts.validate(catalog.load("running_costs"))
    logged = catalog.load("mlflow_metrics")
    assert "rag_tuned/recall/local" in logged
    compared = "comparison/evaluation_queries/rag_tuned/win_rate/local"
    assert f"{compared}/assertion_recall/against_base_model" in logged
    ClosingTable().after_pipeline_run(pipeline, catalog)
    assert "Recall, local" in capsys.readouterr().out


def test_a_report_never_says_that_nothing_left_when_a_judge_was_asked(
    adapter: Path, embedder: Path
) -> None:
    catalog = _catalog(run_tables(), adapter, embedder, [])
    # No stage of this run accounts for the judge; the report does.
    catalog.save("judge_calls", _one_call("judge_answers", "https://models.example/v1"))
    _run_all(catalog)
    told = catalog.load("report")
    assert "Nothing left this machine" not in told
    assert "sent to another machine" in told


def test_a_taught_run_shows_how_far_its_grounding_gate_is_to_be_trusted(
    adapter: Path, embedder: Path
) -> None:
    catalog = _catalog(run_tables(), adapter, embedder, [])
    for name in ("extraction", "description", "report", "synthesis"):
        catalog[f"{name}_calls"] = MemoryDataset(frame_of(ModelCalls, []))
    here = _one_call("build_graph.extract", "http://127.0.0.1:8080/v1")
    catalog["extraction_calls"] = MemoryDataset(here)
    catalog["teacher"] = MemoryDataset(catalog.load("judge"), copy_mode="assign")
    row = {"metric": "recall", "value": 0.9, "n": 30, "n_without_verdict": 0, "meaning": "caught"}
    calibration = frame_of(GroundingCalibration, [row])
    catalog["grounding_calibration"] = MemoryDataset(calibration)
    stages = ("build_graph", "write_reports", "synthesize_qa")
    engines = {**dict.fromkeys(stages, "teacher"), "generate_questions": "embedded"}
    choose_engines(EngineParams.model_validate(engines))
    try:
        _run_all(catalog)
    finally:
        choose_engines(EMBEDDED)
    told = catalog.load("report")
    assert "Only this machine was asked" in told
    assert "grounding gate can be trusted" in told
    assert "90 %" in told


def test_a_corpus_without_questions_gets_a_report_too(adapter: Path, embedder: Path) -> None:
    catalog = _catalog(run_tables(), adapter, embedder, [])
    _run_all(catalog)
    assert "No evaluation questions were asked" in catalog.load("report")
    assert catalog.load("mlflow_metrics") == {}


def test_a_run_of_one_stage_keeps_the_seconds_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def identity(table: pd.DataFrame) -> pd.DataFrame:
        return table

    one = Node(identity, inputs="a", outputs="b", name="one")
    two = Node(identity, inputs="b", outputs="c", name="two")
    registered = {"first": Pipeline([one]), "second": Pipeline([two])}
    registered["__default__"] = registered["first"] + registered["second"]
    monkeypatch.setattr("ragtuned_kedro.hooks.find_stages", lambda: registered)
    earlier = {"first": {"one": 5.0, "gone": 7.0}, "second": {"two": 6.0}}
    catalog = DataCatalog({"stage_seconds": MemoryDataset(earlier)})
    hook = StageSeconds()
    hook.before_pipeline_run(catalog)
    hook.before_node_run(two)
    hook.after_node_run(two, catalog)
    seconds = catalog.load("stage_seconds")
    assert seconds["first"] == {"one": 5.0}
    assert seconds["second"]["two"] < 1


def test_the_report_names_the_pipeline_that_really_makes_each_dataset() -> None:
    # Some pipelines hold others whole; the smallest that has a node is the one it belongs to.
    largest_first = sorted(find_stages().items(), key=lambda one: -len(one[1].nodes))
    makers = {
        output: name
        for name, pipeline in largest_first
        for node in pipeline.nodes
        for output in node.outputs
    }
    assert {dataset: makers[dataset] for dataset in STAGE_OF} == STAGE_OF


def test_before_a_system_answers_runs_what_its_answers_descend_from_but_no_question() -> None:
    stages = find_stages()
    assert index_nodes(stages, "base_model") == {"base_model.open"}
    tuned = index_nodes(stages, "rag_tuned")
    assert {"cut_chunks", "build_graph", "synthesize_pairs", "tune_adapter"} <= tuned
    assert not tuned & {"read_question_files", "rag_tuned.answer_queries", "base_model.open"}
