"""The whole way through KedroSession, with a toy base model in the smoke environment."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import mlflow
import pandas as pd
import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from ragtuned_kedro.pipeline_registry import register_pipelines
from ragtuned_kedro.pipelines.build_graph import nodes as graph_nodes
from ragtuned_kedro.pipelines.synthesize_qa import nodes as synthesize_nodes
from ragtuned_kedro.pipelines.systems import PLANS
from ragtuned_kedro.schemas.records import TrainingExample
from ragtuned_kedro.session import PlainSpokenSession
from tests.toy_model import build_toy_embedder, build_toy_model

ROOT = Path(__file__).parents[1]
# Tables that two runs from scratch must give byte by byte.
TO_EXAMPLES = ("02_intermediate", "03_primary", "04_feature", "05_model_input")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    build_toy_embedder(folder / "embedder")
    return build_toy_model(folder / "model")


@pytest.fixture(scope="module", autouse=True)
def in_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("mlflow")
    before = Path.cwd(), os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    os.chdir(ROOT)
    bootstrap_project(ROOT)
    yield
    os.chdir(before[0])
    if before[1] is None:
        del os.environ["MLFLOW_TRACKING_URI"]
    else:
        os.environ["MLFLOW_TRACKING_URI"] = before[1]


def known_params(data_root: Path, toy: Path) -> dict[str, str]:
    return {
        "data_root": str(data_root),
        "base_models": str(data_root / "06_models/base_models"),
        "base_model_source": str(toy),
        "embedder_source": str(toy.with_name("embedder")),
    }


def params_option(data_root: Path, toy: Path, *more: str) -> tuple[str, str]:
    known = [f"{name}={value}" for name, value in known_params(data_root, toy).items()]
    return "--params", ",".join([*known, *more])


def open_session(data_root: Path, toy: Path, **params: object) -> KedroSession:
    known: dict[str, object] = {**known_params(data_root, toy)}
    return PlainSpokenSession.create(ROOT, env="smoke", runtime_params=known | params)


def run(data_root: Path, toy: Path, pipeline_names: list[str] | None = None, **params: object):  # type: ignore[no-untyped-def]
    with open_session(data_root, toy, **params) as session:
        return session.run(pipeline_names=pipeline_names)


KEDRO_RUN = (sys.executable, "-m", "kedro", "run", "--env", "smoke")


def kedro_run(*options: str) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own."""
    return subprocess.run(
        [*KEDRO_RUN, *options], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


def hashes(data_root: Path, *folders: str) -> dict[str, str]:
    return {
        str(file.relative_to(data_root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for folder in folders
        for file in sorted((data_root / folder).rglob("*"))
        if file.is_file()
    }


@pytest.fixture(autouse=True)
def no_run_left_open() -> Iterator[None]:
    yield
    while mlflow.active_run():
        mlflow.end_run()


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory, toy: Path) -> Path:
    data_root = tmp_path_factory.mktemp("first")
    run(data_root, toy)
    return data_root


def test_the_whole_way_ends_with_a_report_and_a_registered_model(first_run: Path) -> None:
    assert (first_run / "08_reporting/report.html").stat().st_size > 10_000
    assert (first_run / "08_reporting/registration.json").exists()
    assert (first_run / "06_models/adapter/adapter_model.safetensors").exists()


def test_a_run_that_asks_no_other_model_foresees_and_spends_nothing_and_says_so(
    first_run: Path,
) -> None:
    for name in ("call_estimates", "spendings", "disclosures"):
        assert pd.read_parquet(first_run / f"08_reporting/{name}.parquet").empty
    told = (first_run / "08_reporting/report.html").read_text("utf-8")
    assert "Nothing left this machine" in told


def test_a_judge_is_foreseen_where_there_is_no_teacher(
    tmp_path: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, toy, ["estimate"], judging={"is_on": True})
    foreseen = pd.read_parquet(tmp_path / "08_reporting/call_estimates.parquet")
    assert foreseen["stage"].tolist() == ["judge_answers"]
    # At least three questions with an answer, six opponents, both seats.
    assert foreseen["calls_high"].item() >= 3 * 6 * 2
    assert "judge_answers" in capsys.readouterr().out


def test_an_embedder_over_http_is_foreseen_from_the_real_texts_and_sent_nothing(
    tmp_path: Path, toy: Path
) -> None:
    over_http = {
        "embedder": {"source": "endpoint", "revision": None, "sha256": None},
        "embedder_url": "http://127.0.0.1:9/v1",
        "embedder_price": 1e6,
    }
    run(tmp_path, toy, ["estimate"], **over_http)
    foreseen = pd.read_parquet(tmp_path / "08_reporting/call_estimates.parquet")
    assert foreseen["stage"].tolist() == ["embed"]
    assert foreseen["endpoint"].item() == "http://127.0.0.1:9/v1"
    chunks = pd.read_parquet(next(tmp_path.rglob("chunks.parquet")))
    # Each chunk, and each of its sentences twice, under its title and without it.
    assert foreseen["calls_low"].item() > 3 * len(chunks)
    assert foreseen["money_low"].item() > 3 * 0.8 * chunks["n_tokens"].sum()
    assert foreseen["money_high"].item() > foreseen["money_low"].item()
    assert foreseen["completion_tokens_high"].item() == 0


def test_answers_are_rectangular(first_run: Path) -> None:
    for system, plan in PLANS.items():
        asked = "asked_queries" if plan.asks_all else "compared_queries"
        queries = pd.read_parquet(first_run / f"04_feature/{asked}.parquet")
        answers = pd.read_parquet(first_run / f"07_model_output/{system}/answers.parquet")
        assert sorted(answers["query_id"]) == sorted(queries["query_id"])
        assert set(answers["system"]) == {system}


def test_no_evaluation_phrasing_occurs_in_training(first_run: Path) -> None:
    asked = pd.read_parquet(first_run / "04_feature/asked_queries.parquet")["text"]
    for table in ("04_feature/training_queries", "05_model_input/reading_questions"):
        taught = pd.read_parquet(first_run / f"{table}.parquet")["text"]
        assert len(taught) > 0
        assert not set(asked.str.casefold()) & set(taught.str.casefold())


def test_the_notebook_runs_on_what_a_run_leaves_and_holds_no_outputs(
    first_run: Path, toy: Path
) -> None:
    notebook = json.loads((ROOT / "notebooks/explore.ipynb").read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not [cell for cell in cells if cell["outputs"]]
    with open_session(first_run, toy) as session:
        context = session.load_context()
        known = {"context": context, "catalog": context.catalog}
        for cell in cells:
            code = compile("".join(cell["source"]), f"explore.ipynb:{cell['id']}", "exec")
            exec(code, known)  # noqa: S102 - our own notebook
    assert [type(answer) for answer in known["answers"]] == [str]
    assert len(known["evidence"]) > 0
    assert set(known["scorecard"]["system"]) == {"base_model", "rag_tuned"}


def test_the_same_command_again_changes_no_table_and_reads_no_sentence_anew(
    first_run: Path, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = (*TO_EXAMPLES, "06_models/adapter", "07_model_output")
    before = hashes(first_run, *folders)
    monkeypatch.delattr(graph_nodes, "extract_mentions")
    for made_once in ("synthesize", "ask_about_passages", "build_examples"):
        monkeypatch.delattr(synthesize_nodes, made_once)
    run(first_run, toy)
    assert hashes(first_run, *folders) == before


def test_a_run_leaves_no_side_files_beside_its_completion_store(first_run: Path) -> None:
    # SQLite keeps them as long as a connection is open.
    assert [one.name for one in (first_run / "07_model_output/completions").glob("*.sqlite*")] == [
        "completions.sqlite"
    ]


def test_two_runs_from_scratch_give_the_same_bytes_up_to_the_examples(
    first_run: Path, toy: Path, tmp_path: Path
) -> None:
    names = ["fetch_model", "prepare_corpus", "build_graph", "detect_communities"]
    names += ["write_reports", "ask_questions", "synthesize_qa", "generate_questions"]
    run(tmp_path, toy, names)
    first = hashes(first_run, *TO_EXAMPLES)
    assert hashes(tmp_path, *TO_EXAMPLES) == first
    assert "05_model_input/training_examples.jsonl" in first


def test_every_line_of_the_training_data_is_one_chat_of_its_own(first_run: Path) -> None:
    text = (first_run / "05_model_input/training_examples.jsonl").read_text("utf-8")
    lines = text.rstrip("\n").split("\n")
    examples = [TrainingExample.model_validate_json(line) for line in lines]
    pairs = pd.read_parquet(first_run / "04_feature/qa_pairs.parquet").set_index("qa_id")
    assert {one.qa_id for one in examples} == set(pairs.index)
    for one in examples:
        assert [message.role for message in one.messages] == ["user", "assistant"]
        assert one.messages[-1].content.endswith(pairs.loc[one.qa_id, "answer"])


def test_every_pipeline_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    # A session that ran some pipelines leaves their names behind as Kedro's filter.
    monkeypatch.setattr(pipelines, "_requested_pipelines", None)
    assert set(register_pipelines()) == {
        "__default__",
        "fetch_model",
        "prepare_corpus",
        "build_graph",
        "detect_communities",
        "write_reports",
        "ask_questions",
        "generate_questions",
        "judge_answers",
        "synthesize_qa",
        "tune_adapter",
        "answer_queries",
        "score_answers",
        "register_model",
        "report_results",
        "evaluate",
        "estimate",
        "account_spending",
    }


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"corpus_folder": "no/such/folder"}, "no/such/folder does not exist"),
        ({"base_model_source": "no/such/model"}, "no/such/model"),
        ({"chunking": {"size": 10, "overlap": 10}}, "overlap"),
        ({"chunking": {"sise": 10}}, "sise"),
        ({"extraction": {"spacy_model": "nothing"}}, "spacy_model"),
    ],
)
def test_what_a_user_can_mend_is_one_clear_message(
    tmp_path: Path, toy: Path, params: dict, message: str
) -> None:
    with pytest.raises(click.ClickException, match=message) as caught:
        run(tmp_path, toy, ["fetch_model", "prepare_corpus", "build_graph"], **params)
    assert caught.value.exit_code != 0


def test_an_empty_corpus_says_what_to_do(tmp_path: Path, toy: Path) -> None:
    (tmp_path / "corpus").mkdir()
    with pytest.raises(click.ClickException, match="no readable document"):
        run(
            tmp_path,
            toy,
            ["fetch_model", "prepare_corpus"],
            corpus_folder=str(tmp_path / "corpus"),
        )


@pytest.mark.slow
def test_the_command_line_shows_the_message_without_a_traceback(tmp_path: Path) -> None:
    params = f"data_root={tmp_path},corpus_folder=no/such/folder"
    finished = kedro_run("--pipelines", "prepare_corpus", "--params", params)
    assert finished.returncode == 1
    assert "no/such/folder does not exist" in finished.stderr
    assert "Traceback" not in finished.stdout + finished.stderr


@pytest.mark.slow
def test_nodes_can_run_in_threads(first_run: Path, toy: Path) -> None:
    # There is nothing imported yet in a process of its own.
    finished = kedro_run("--runner", "ThreadRunner", *params_option(first_run, toy))
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "What was remembered" in finished.stdout


@pytest.mark.slow
@pytest.mark.parametrize("longer", ["optimization.epochs=10", "reader_optimization.epochs=3"])
def test_a_run_killed_while_tuning_goes_on_from_its_checkpoint(
    first_run: Path, toy: Path, longer: str
) -> None:
    options = ("--pipelines", "tune_adapter", *params_option(first_run, toy, longer))
    finished_before = set((first_run / "06_models/tuning").glob("*/adapter"))
    killed = subprocess.Popen(
        [*KEDRO_RUN, *options], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 240
    while not list((first_run / "06_models/tuning").glob("*/checkpoint.safetensors")):
        assert killed.poll() is None, killed.stderr.read() if killed.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert set((first_run / "06_models/tuning").glob("*/adapter")) == finished_before

    resumed = kedro_run(*options)
    output = " ".join((resumed.stdout + resumed.stderr).split())
    assert resumed.returncode == 0, output
    assert "goes on from the checkpoint" in output.replace("  ", " ")
    assert len(set((first_run / "06_models/tuning").glob("*/adapter")) - finished_before) == 1
