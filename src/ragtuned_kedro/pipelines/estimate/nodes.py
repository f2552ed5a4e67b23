import logging
from collections.abc import Sequence
from functools import partial

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ragtuned_kedro.evaluation.duels import gather_evidence
from ragtuned_kedro.evaluation.judge_plan import plan_judging
from ragtuned_kedro.evaluation.overlap import references_of
from ragtuned_kedro.evaluation.question_plan import plan_questions
from ragtuned_kedro.evaluation.sample import sample_queries
from ragtuned_kedro.graph.extract import extract_mentions
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.embedder import Embedder
from ragtuned_kedro.language_models.embedding_endpoint import EmbeddingEndpoint
from ragtuned_kedro.language_models.estimate import CallPlan, CountTokens
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.spacy_pipeline import load_spacy
from ragtuned_kedro.language_models.token_spans import load_token_spans
from ragtuned_kedro.pipelines.systems import CANDIDATE, PLANS, SYSTEMS
from ragtuned_kedro.reporting.call_plans import plan_teaching, price_plans
from ragtuned_kedro.reporting.embedding_plan import plan_embedding
from ragtuned_kedro.reporting.system_tables import FittingTable, name_column
from ragtuned_kedro.retrieval.passages import list_indexed_texts
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams, ComparedQuestionsParams
from ragtuned_kedro.schemas.call_tables import CallEstimates
from ragtuned_kedro.schemas.evaluation_parameters import GenerationParams, JudgingParams
from ragtuned_kedro.schemas.graph_parameters import ExtractionParams, ReportParams
from ragtuned_kedro.schemas.records import BaseModelFolder
from ragtuned_kedro.schemas.tables import frame_of
from ragtuned_kedro.schemas.teaching_parameters import (
    EngineParams,
    EstimateParams,
    TeacherQuestionParams,
    TeachingParams,
)

logger = logging.getLogger(__name__)
# Local, linked and global questions come from the graph.
_N_GENERATED_SCOPES = 3


def estimate(
    chunks: pd.DataFrame,
    documents: pd.DataFrame,
    evaluation_queries: pd.DataFrame,
    assertions: pd.DataFrame,
    query_evidence: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    embedder_folder: Embedder,
    judge: Asker,
    graph_prompts: PromptBook,
    report_prompts: PromptBook,
    synthesis_prompts: PromptBook,
    evaluation_prompts: PromptBook,
    extraction: ExtractionParams,
    reports: ReportParams,
    answering: AnsweringParams,
    generation: GenerationParams,
    teaching: TeachingParams,
    estimate: EstimateParams,
    engines: EngineParams,
    judging: JudgingParams,
    compared_questions: ComparedQuestionsParams,
    teacher_questions: TeacherQuestionParams,
    teacher: Asker | None = None,
) -> pd.DataFrame:
    """Predict calls, tokens and money by stage; no rows where no model will be asked."""
    token_spans = load_token_spans(base_model_folder.path)

    def count_tokens(text: str) -> int:
        return len(token_spans(text))

    rows: list[dict[str, object]] = []
    if teacher is not None:
        books = (graph_prompts, report_prompts, synthesis_prompts)
        taught = plan_teaching(
            chunks,
            {book.room: book for book in books},
            count_tokens,
            entity_types=extraction.entity_types,
            teaching=teaching,
            assumed=estimate,
            engines=engines.model_dump(),
        )
        if engines.generate_questions == "teacher":
            taught += plan_questions(
                chunks,
                evaluation_prompts,
                count_tokens,
                language=teaching.language,
                max_context_tokens=teaching.max_context_tokens,
                **teacher_questions.model_dump(),
            )
        rows += _price(taught, teacher, estimate)
    if judging.is_on:
        judged = _judging_plan(
            documents,
            evaluation_queries,
            assertions,
            query_evidence,
            evaluation_prompts,
            count_tokens,
            judging,
            compared_questions,
        )
        rows += _price([judged], judge, estimate)
    if isinstance(embedder_folder, EmbeddingEndpoint):
        embedded = _embedding_plan(
            documents,
            chunks,
            evaluation_queries,
            assertions,
            count_tokens,
            n_generated=_most_generated(engines, generation, teacher_questions),
            report_tokens=max(reports.max_tokens, teaching.report_tokens),
            max_findings=reports.max_findings,
            answer_tokens=answering.max_new_tokens,
            extraction=extraction,
            compared=compared_questions,
            assumed=estimate,
        )
        # A text is embedded or the run stops: none is asked for again.
        rows += _price(
            [embedded], embedder_folder, estimate.model_copy(update={"unusable_share": (0.0, 0.0)})
        )
    estimates = frame_of(CallEstimates, rows)
    if estimates.empty:
        logger.info("No teacher, judge or embedder will be asked: no text leaves this machine.")
    else:
        _show(estimates)
    return estimates


def _price(
    plans: Sequence[CallPlan], asker: Asker | EmbeddingEndpoint, assumed: EstimateParams
) -> list[dict[str, object]]:
    return price_plans(
        plans,
        asker.spending,
        model_id=asker.model_id,
        endpoint=asker.endpoint,
        assumed=assumed,
    )


def _embedding_plan(
    documents: pd.DataFrame,
    chunks: pd.DataFrame,
    evaluation_queries: pd.DataFrame,
    assertions: pd.DataFrame,
    count_tokens: CountTokens,
    *,
    n_generated: int,
    extraction: ExtractionParams,
    compared: ComparedQuestionsParams,
    assumed: EstimateParams,
    **lengths: int,
) -> CallPlan:
    """Plan with what is known to be embedded: passages, the questions compared, all references."""
    sentences, _, _ = extract_mentions(
        documents,
        chunks,
        load_spacy(extraction.spacy_model),
        entity_types=extraction.entity_types,
        max_relationships_per_sentence=extraction.max_relationships_per_sentence,
    )
    chosen = sample_queries(
        evaluation_queries, n_questions=compared.n_questions, seed=compared.seed
    )
    references = references_of(evaluation_queries, assertions).values()
    return plan_embedding(
        [
            *(text for _, text in list_indexed_texts(chunks, sentences, documents)),
            *chosen["text"],
            *(one.text for one in references),
        ],
        len(chunks),
        count_tokens,
        n_generated=n_generated,
        n_answers=sum(
            len(evaluation_queries if system.asks_all else chosen) + n_generated
            for system in PLANS.values()
        ),
        assumed=assumed,
        **lengths,
    )


def _most_generated(
    engines: EngineParams, generation: GenerationParams, asked: TeacherQuestionParams
) -> int:
    """Count the evaluation questions that may be generated: for each scope, or by a teacher."""
    if engines.generate_questions == "teacher":
        return asked.n_personas * asked.n_tasks * asked.n_questions + asked.n_local
    return generation.n_per_scope * _N_GENERATED_SCOPES


def _judging_plan(
    documents: pd.DataFrame,
    evaluation_queries: pd.DataFrame,
    assertions: pd.DataFrame,
    query_evidence: pd.DataFrame,
    evaluation_prompts: PromptBook,
    count_tokens: CountTokens,
    judging: JudgingParams,
    compared: ComparedQuestionsParams,
) -> CallPlan:
    chosen = sample_queries(
        evaluation_queries, n_questions=compared.n_questions, seed=compared.seed
    )
    return plan_judging(
        evaluation_queries,
        assertions,
        list(chosen["query_id"]),
        gather_evidence(query_evidence, documents, max_words=judging.max_evidence_words),
        evaluation_prompts["judge"],
        count_tokens,
        candidate=CANDIDATE,
        baselines=[system for system in SYSTEMS if system != CANDIDATE],
        **judging.model_dump(exclude={"is_on", "max_evidence_words"}),
    )


def _show(estimates: pd.DataFrame) -> None:
    """Print the estimate: it is what the person who asked for it waits for."""
    console = Console()
    console.print(FittingTable(partial(_estimate_table, estimates)))
    for (model, endpoint), asked in estimates.groupby(["model_id", "endpoint"], sort=False):
        console.print(f"{', '.join(asked['stage'])}: {model} at {endpoint}", markup=False)


def _estimate_table(estimates: pd.DataFrame, is_narrow: bool) -> Table:
    """Write least and most side by side or, where there is no room, the most below the least."""
    table = name_column("Estimate, least and most; nothing was sent", is_narrow=is_narrow)
    for name in ("calls", "prompt tokens", "completion tokens", "money"):
        table.add_column(name, justify="right", no_wrap=True)
    names = ("calls", "prompt_tokens", "completion_tokens")
    rows = [(row["stage"], row) for row in estimates.to_dict("records")]
    # Amounts of two currencies cannot be added.
    currencies = set(estimates["currency"])
    if len(currencies) == 1:
        sums = estimates.sum(numeric_only=True).to_dict()
        rows.append(("all", sums | {"currency": currencies.pop()}))
    gap = "\n" if is_narrow else " - "
    for stage, row in rows:
        counts = [f"{int(row[f'{n}_low']):,}{gap}{int(row[f'{n}_high']):,}" for n in names]
        money = f"{row['money_low']:.2f}{gap}{row['money_high']:.2f} {row['currency']}"
        table.add_row(*(Text(cell) for cell in (stage, *counts, money)))
    return table
