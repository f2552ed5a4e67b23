import logging

import pandas as pd

from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.token_spans import load_token_spans
from ragtuned_kedro.schemas.records import BaseModelFolder
from ragtuned_kedro.schemas.synthesis_parameters import SynthesisParams
from ragtuned_kedro.schemas.teaching_parameters import TeachingParams
from ragtuned_kedro.synthesis.anchors import GraphTables
from ragtuned_kedro.synthesis.synthesize import Corpus
from ragtuned_kedro.synthesis.teach import Room, synthesize_with_teacher

logger = logging.getLogger(__name__)


def ask_and_answer(
    documents: pd.DataFrame,
    chunks: pd.DataFrame,
    sentences: pd.DataFrame,
    entity_mentions: pd.DataFrame,
    entities: pd.DataFrame,
    relationships: pd.DataFrame,
    entity_chunks: pd.DataFrame,
    relationship_chunks: pd.DataFrame,
    community_members: pd.DataFrame,
    community_reports: pd.DataFrame,
    report_findings: pd.DataFrame,
    evaluation_queries: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    teacher: Asker,
    synthesis_prompts: PromptBook,
    synthesis: SynthesisParams,
    teaching: TeachingParams,
) -> tuple[pd.DataFrame, ...]:
    """Have the teacher ask, answer and check."""
    token_spans = load_token_spans(base_model_folder.path)
    corpus = Corpus(
        documents,
        sentences,
        entity_mentions,
        entities,
        relationships,
        community_reports,
        report_findings,
    )
    graph = GraphTables(
        chunks,
        entities,
        relationships,
        entity_chunks,
        relationship_chunks,
        community_members,
        community_reports,
    )
    taught = synthesize_with_teacher(
        corpus,
        graph,
        evaluation_queries["text"].tolist(),
        teacher,
        synthesis_prompts,
        lambda text: len(token_spans(text)),
        most=most_anchors(teaching),
        max_chunks=teaching.max_chunks_per_anchor,
        n_planted=teaching.n_planted,
        room=Room(teaching.question_tokens, teaching.answer_tokens, teaching.grounding_tokens),
        language=teaching.language,
        max_answer_tokens=synthesis.max_answer_tokens,
        near_duplicate_similarity=synthesis.near_duplicate_similarity,
        decontamination_similarity=synthesis.decontamination_similarity,
        seed=teaching.seed,
    )
    for row in taught.calibration.itertuples():
        logger.info(
            "Grounding gate, %s: %s of n=%d (%s)", row.metric, row.value, row.n, row.meaning
        )
    made = taught.made
    tables = (made.queries, made.pairs, made.evidence, made.rejections, made.ledger)
    return *tables, taught.calls, taught.calibration


def most_anchors(teaching: TeachingParams) -> dict[str, int]:
    """Name the most anchors of each kind."""
    return {
        "local": teaching.n_local,
        "entity_reasoning": teaching.n_entities,
        "relationship_reasoning": teaching.n_relationships,
        "global": teaching.n_reports,
    }
