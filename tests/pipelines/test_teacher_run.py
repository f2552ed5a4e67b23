"""`--env=teacher` up to the questions, against faults."""

import re
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from ragtuned_kedro.schemas.records import Message, Prompt
from ragtuned_kedro.session import PlainSpokenSession
from tests.language_models.fault_server import FaultServer
from tests.scripted_teacher import teach
from tests.toy_model import build_toy_model

ROOT = Path(__file__).parents[2]
PREPARING = ["fetch_model", "prepare_corpus", "ask_questions"]
TEACHING = [
    "build_graph",
    "detect_communities",
    "write_reports",
    "synthesize_qa",
    "generate_questions",
]
STAGES = ("extraction", "description", "report", "synthesis", "question")
FEW_QUESTIONS = {"n_personas": 1, "n_tasks": 2, "n_questions": 1, "n_local": 2}
FEW = {"n_local": 4, "n_entities": 2, "n_relationships": 2, "n_reports": 2, "n_planted": 2}


pytestmark = pytest.mark.usefixtures("in_project")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_toy_model(tmp_path_factory.mktemp("toy"))


def run(data_root: Path, toy: Path, url: str, names: list[str], **params: object) -> None:
    known = {
        "data_root": str(data_root),
        "base_models": str(data_root / "base_models"),
        "corpus_folder": "tests/smoke_corpus",
        "questions_folder": "tests/smoke_questions",
        "teacher_url": url,
        "teacher_model": "tested",
        "base_model": {"source": str(toy), "sha256": None, "n_threads": 1},
        "chunking": {"size": 700, "overlap": 50},
        "synthesis": {"max_answer_tokens": 2000},
        "examples": {"max_tokens": 4000},
        "teaching": FEW,
        "teacher_questions": FEW_QUESTIONS,
    }
    with PlainSpokenSession.create(ROOT, env="teacher", runtime_params=known | params) as session:
        session.run(pipeline_names=names)


def table(data_root: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(next(data_root.rglob(f"{name}.parquet")))


def check_accounts(data_root: Path) -> None:
    """Inputs = accepted + rejected at every stage, and whatever is accepted leads to a call."""
    calls = table(data_root, "extraction_calls")
    refused = set(table(data_root, "extraction_rejections")["key"])
    first = calls[calls["stage"] == "build_graph.extract"]
    read = set(first.loc[first["outcome"] == "valid", "key"])
    chunks = set(table(data_root, "chunks")["chunk_id"])
    assert chunks == read | (refused & chunks)
    communities = set(table(data_root, "communities")["community_id"])
    reported = set(table(data_root, "community_reports")["community_id"])
    assert communities == reported | set(table(data_root, "report_rejections")["key"])
    assert not reported & set(table(data_root, "report_rejections")["key"])
    ledger = table(data_root, "synthesis_ledger")
    n_pairs = len(table(data_root, "qa_pairs"))
    drafts = ledger[ledger["unit_kind"].str.startswith("draft ")]
    assert drafts.loc[drafts["outcome"] == "accepted", "n"].sum() == n_pairs
    assert len(table(data_root, "synthesis_rejections")) == (
        drafts.loc[drafts["outcome"] != "accepted", "n"].sum()
    )
    check_questions(data_root)
    for stage in STAGES:
        made = table(data_root, f"{stage}_calls")
        assert (made["text"].isna() == (made["outcome"] != "valid")).all()
    assert set(table(data_root, "disclosures")["is_loopback"]) == {True}


def check_questions(data_root: Path) -> None:
    """Every question written is asked or refused, and no global one names an entity."""
    calls = table(data_root, "question_calls")
    asked = table(data_root, "generated_queries")
    refused = table(data_root, "generated_rejections")
    by_teacher = asked[asked["call_id"].notna()]
    assert set(by_teacher["call_id"]) <= set(calls["call_id"])
    local = calls[calls["stage"] == "generate_questions.local"]
    ended = set(by_teacher["call_id"]) | set(refused["call_id"]) | set(refused["key"])
    last = local.sort_values("attempt").groupby("key").tail(1)
    assert len(last) == FEW_QUESTIONS["n_local"] or last["key"].nunique() == len(
        table(data_root, "chunks")
    )
    assert all({row.call_id, row.key} & ended for row in last.itertuples())
    names = [name for name in table(data_root, "entities")["name"] if name != name.lower()]
    texts = asked.loc[(asked["scope"] == "global"), "text"].str.lower()
    assert not [
        name for name in names if texts.str.contains(rf"\b{re.escape(name.lower())}\b").any()
    ]
    assert set(table(data_root, "generated_assertions")["query_id"]) == set(asked["query_id"])


def corpus_of(tmp_path: Path, *names: str) -> Path:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in names:
        (corpus / name).write_bytes((ROOT / "tests/smoke_corpus" / name).read_bytes())
    return corpus


def answer(body: dict) -> str:
    turns = tuple(Message(role=one["role"], content=one["content"]) for one in body["messages"])
    return teach(Prompt("", turns))


@pytest.mark.slow
def test_the_teachers_run_survives_faults_estimates_first_and_asks_nothing_twice(tmp_path, toy):
    corpus = {"corpus_folder": str(corpus_of(tmp_path, "1974-01-02.md", "1974-05-31.md"))}
    pipelines = [*PREPARING, "estimate", *TEACHING, "account_spending"]
    with FaultServer(latency=0.0) as server:
        run(tmp_path, toy, server.url, [*PREPARING, "estimate"], **corpus)
        assert server.log == []
        foreseen = table(tmp_path, "call_estimates").set_index("stage")
        assert foreseen.loc["judge_answers", "calls_low"] > 0
        server.answer, server.share = answer, 0.3
        server.faults = ("429", "500", "cut stream", "empty choices", "truncated JSON")
        run(tmp_path, toy, server.url, pipelines, max_attempts=9, **corpus)
        n_asked = len(server.log)
        before = {name: table(tmp_path, name) for name in ("qa_pairs", "entities", "spendings")}
        run(tmp_path, toy, server.url, pipelines, max_attempts=9, **corpus)
        assert len(server.log) == n_asked
    for name, rows in before.items():
        assert rows.equals(table(tmp_path, name)), name
    check_accounts(tmp_path)
    assert len(table(tmp_path, "qa_pairs")) > 0
    assert len(table(tmp_path, "community_reports")) > 0
    assert {"global", "local"} <= set(table(tmp_path, "generated_queries")["scope"])
    spent = table(tmp_path, "spendings").set_index("stage")
    assert spent.loc["generate_questions.local", "n_calls"] >= FEW_QUESTIONS["n_local"]
    told = table(tmp_path, "disclosures").set_index("stage")
    assert told.loc[["generate_questions.local"], "n_calls"].sum() > 0
    inside = (spent["n_calls"] <= spent["calls_high"]) | (spent["n_unusable"] > 0)
    assert inside[spent["calls_high"].notna()].all()
    # The judge has not been asked yet: it is foreseen, and has cost nothing.
    assert spent.loc["judge_answers", ["n_calls", "money"]].tolist() == [0, 0]
    evidence = table(tmp_path, "qa_evidence")
    assert set(evidence["qa_id"]) == set(table(tmp_path, "qa_pairs")["qa_id"])
    assert set(evidence["sentence_id"]) <= set(table(tmp_path, "sentences")["sentence_id"])
    params = mlflow.search_runs(search_all_experiments=True).filter(like="params.prompts.graph")
    assert params.notna().any().any()
