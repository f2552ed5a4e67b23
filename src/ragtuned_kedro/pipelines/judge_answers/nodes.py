import logging

import pandas as pd

from ragtuned_kedro.evaluation.comparison import flatten_comparison
from ragtuned_kedro.evaluation.duels import gather_evidence
from ragtuned_kedro.evaluation.judging import Judged, judge_systems, no_judgement
from ragtuned_kedro.evaluation.scorecard import QUERY_SET
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.pipelines.systems import CANDIDATE, SYSTEMS
from ragtuned_kedro.schemas.evaluation_parameters import JudgingParams, ScoringParams
from ragtuned_kedro.schemas.records import BaseModelFolder

logger = logging.getLogger(__name__)


def judge_answers(
    judge: Asker,
    evaluation_prompts: PromptBook,
    evaluation_queries: pd.DataFrame,
    assertions: pd.DataFrame,
    query_evidence: pd.DataFrame,
    documents: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    judging: JudgingParams,
    scoring: ScoringParams,
    *answers: pd.DataFrame,
) -> tuple[pd.DataFrame, ...]:
    """Let the judge compare the tuned model with every other system; off, all tables are empty."""
    if not judging.is_on:
        return _tables(no_judgement())
    if judge.model_id == base_model_folder.model_id:
        logger.warning("The judge %s judges its own answers.", judge.model_id)
    judged = judge_systems(
        evaluation_queries,
        assertions,
        pd.concat(answers, ignore_index=True),
        gather_evidence(query_evidence, documents, max_words=judging.max_evidence_words),
        judge,
        evaluation_prompts["judge"],
        candidate=CANDIDATE,
        baselines=[system for system in SYSTEMS if system != CANDIDATE],
        query_set=QUERY_SET,
        estimating={
            "n_bootstrap": scoring.n_bootstrap,
            "confidence": scoring.confidence,
            "seed": scoring.seed,
        },
        **judging.model_dump(exclude={"is_on", "max_evidence_words"}),
    )
    if len(judged.rejections):
        first = judged.rejections.iloc[0]
        logger.warning(
            "%d sittings of the judge gave no verdict; the first: %s, %s: %s",
            len(judged.rejections),
            first["key"],
            first["reason"],
            first["detail"],
        )
    return _tables(judged)


def _tables(judged: Judged) -> tuple[pd.DataFrame, ...]:
    return tuple(vars(judged).values())


def name_judge_metrics(judge_metrics: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Flatten the judge's metrics into what an MLflow run records."""
    flat = flatten_comparison(judge_metrics, candidate=CANDIDATE)
    return {
        name.replace("comparison/", "judge/", 1): {"value": value, "step": 0}
        for name, value in flat.items()
    }
