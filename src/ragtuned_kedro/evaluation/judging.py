"""A whole judgement: plan, ask, fold, try the judge, and count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ragtuned_kedro.evaluation.duels import Plan, plan_checks, plan_duels
from ragtuned_kedro.evaluation.judge import ask_judge, fold_judgements, list_judgements
from ragtuned_kedro.evaluation.judge_metrics import build_judge_metrics, rate_checks
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptFile
from ragtuned_kedro.schemas.call_tables import ModelCalls
from ragtuned_kedro.schemas.evaluation_tables import JudgeChecks, Judgements, Metrics, Verdicts
from ragtuned_kedro.schemas.tables import Rejections, frame_of


@dataclass(frozen=True)
class Judged:
    """The tables of a judgement; sittings = replies + rejections."""

    judgements: pd.DataFrame
    verdicts: pd.DataFrame
    checks: pd.DataFrame
    metrics: pd.DataFrame
    calls: pd.DataFrame
    rejections: pd.DataFrame


def no_judgement() -> Judged:
    """Give the tables of a run in which no judge was asked."""
    tables = (Judgements, Verdicts, JudgeChecks, Metrics, ModelCalls, Rejections)
    return Judged(*(frame_of(table, []) for table in tables))


def judge_systems(
    queries: pd.DataFrame,
    assertions: pd.DataFrame,
    answers: pd.DataFrame,
    evidence: Mapping[str, str],
    judge: Asker,
    prompt: PromptFile,
    *,
    candidate: str,
    baselines: Sequence[str],
    scopes: Sequence[str],
    n_per_scope: int,
    n_trials: int,
    n_checks: int,
    max_answer_words: int,
    max_new_tokens: int,
    seed: int,
    query_set: str,
    estimating: Mapping[str, Any],
) -> Judged:
    """Let `judge` compare `candidate` with every baseline, and try the judge in the same breath.

    The checks travel among the duels: whoever has verdicts has the judge's error beside them.
    `estimating` holds n_bootstrap, confidence and seed of the intervals.

    Raises:
        UserError: If the judge's endpoint is dead or a cap is reached; what it said is kept.
    """
    plan = plan_duels(
        queries,
        answers,
        evidence,
        candidate=candidate,
        baselines=baselines,
        scopes=scopes,
        n_per_scope=n_per_scope,
        seed=seed,
    )
    checks = plan_checks(queries, assertions, evidence, n_checks=n_checks, seed=seed)
    if not plan.duels:
        return no_judgement()
    answered = ask_judge(
        (*plan.duels, *checks),
        judge,
        prompt,
        n_trials=n_trials,
        max_answer_words=max_answer_words,
        max_new_tokens=max_new_tokens,
    )
    judgements = list_judgements(plan.duels, answered, n_trials=n_trials)
    verdicts = fold_judgements(judgements)
    tried = fold_judgements(list_judgements(checks, answered, n_trials=n_trials))
    rated = rate_checks(checks, tried, n_trials=n_trials)
    metrics = build_judge_metrics(
        queries,
        plan,
        verdicts,
        rated,
        judge=judge.model_id,
        query_set=query_set,
        **estimating,
    )
    return Judged(
        judgements,
        verdicts,
        rated,
        metrics,
        frame_of(ModelCalls, answered.calls),
        frame_of(Rejections, [*_refused(plan), *answered.rejections]),
    )


def _refused(plan: Plan) -> list[dict[str, Any]]:
    return [
        {"key": key, "call_id": None, "reason": reason, "detail": detail}
        for key, reason, detail in plan.refused
    ]
