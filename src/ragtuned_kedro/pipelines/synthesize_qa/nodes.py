import logging
from pathlib import Path

import pandas as pd

from ragtuned_kedro.datasets.kept_tables import Tables, keep_tables
from ragtuned_kedro.language_models.chat import load_chat
from ragtuned_kedro.language_models.spacy_pipeline import load_spacy
from ragtuned_kedro.language_models.token_spans import load_token_spans
from ragtuned_kedro.schemas.graph_parameters import ExtractionParams
from ragtuned_kedro.schemas.records import BaseModelFolder, TrainingExample
from ragtuned_kedro.schemas.synthesis_parameters import (
    ExampleParams,
    ReadingQuestionParams,
    SynthesisParams,
)
from ragtuned_kedro.synthesis.examples import build_examples
from ragtuned_kedro.synthesis.reading_questions import Portion, ask_about_passages
from ragtuned_kedro.synthesis.synthesize import Corpus, synthesize

logger = logging.getLogger(__name__)


def ask_and_answer(
    documents: pd.DataFrame,
    sentences: pd.DataFrame,
    entity_mentions: pd.DataFrame,
    entities: pd.DataFrame,
    relationships: pd.DataFrame,
    community_reports: pd.DataFrame,
    report_findings: pd.DataFrame,
    evaluation_queries: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    kept_tables: Path,
    synthesis: SynthesisParams,
    extraction: ExtractionParams,
) -> Tables:
    """Synthesise training questions and answers, or find them made."""
    corpus = Corpus(
        documents,
        sentences,
        entity_mentions,
        entities,
        relationships,
        community_reports,
        report_findings,
    )
    tables = keep_tables(
        kept_tables,
        _synthesize_pairs,
        corpus,
        evaluation_queries["text"].tolist(),
        base_model_folder,
        synthesis,
        extraction.spacy_model,
    )
    n_pairs = len(tables[1])
    if n_pairs < synthesis.n_pairs:
        logger.warning(
            "The corpus gives %d pairs, fewer than synthesis.n_pairs (%d).",
            n_pairs,
            synthesis.n_pairs,
        )
    return tables


def _synthesize_pairs(
    corpus: Corpus,
    evaluation_texts: list[str],
    base_model_folder: BaseModelFolder,
    synthesis: SynthesisParams,
    spacy_model: str,
) -> Tables:
    made = synthesize(
        corpus,
        evaluation_texts,
        load_spacy(spacy_model),
        load_token_spans(base_model_folder.path),
        n_pairs=synthesis.n_pairs,
        mix=synthesis.mix,
        max_answer_tokens=synthesis.max_answer_tokens,
        near_duplicate_similarity=synthesis.near_duplicate_similarity,
        decontamination_similarity=synthesis.decontamination_similarity,
        seed=synthesis.seed,
    )
    return made.queries, made.pairs, made.evidence, made.rejections, made.ledger


def ask_passages(
    documents: pd.DataFrame,
    sentences: pd.DataFrame,
    entity_mentions: pd.DataFrame,
    entities: pd.DataFrame,
    evaluation_queries: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    kept_tables: Path,
    reading_questions: ReadingQuestionParams,
    synthesis: SynthesisParams,
    extraction: ExtractionParams,
) -> Tables:
    """Ask each passage what it tells and what it leaves open, or find it asked."""
    return keep_tables(
        kept_tables,
        _ask_about_passages,
        (documents, sentences, entity_mentions, entities),
        evaluation_queries["text"].tolist(),
        base_model_folder,
        reading_questions,
        synthesis.max_answer_tokens,
        synthesis.decontamination_similarity,
        extraction.spacy_model,
    )


def _ask_about_passages(
    tables: Tables,
    evaluation_texts: list[str],
    base_model_folder: BaseModelFolder,
    reading_questions: ReadingQuestionParams,
    max_answer_tokens: int,
    decontamination_similarity: float,
    spacy_model: str,
) -> Tables:
    documents, sentences, entity_mentions, entities = tables
    portion = reading_questions.model_dump(exclude={"seed"})
    return ask_about_passages(
        documents,
        sentences,
        entity_mentions,
        entities,
        evaluation_texts,
        load_spacy(spacy_model),
        load_token_spans(base_model_folder.path),
        portion=Portion(**portion),
        max_answer_tokens=max_answer_tokens,
        decontamination_similarity=decontamination_similarity,
        seed=reading_questions.seed,
    )


def make_examples(
    training_queries: pd.DataFrame,
    qa_pairs: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    kept_tables: Path,
    examples: ExampleParams,
) -> Tables:
    """Turn pairs into chats to train on, a TrainingExample per row, or find them built."""
    return keep_tables(
        kept_tables, _build_examples, training_queries, qa_pairs, base_model_folder, examples
    )


def _build_examples(
    training_queries: pd.DataFrame,
    qa_pairs: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    examples: ExampleParams,
) -> Tables:
    built, rejections = build_examples(
        training_queries,
        qa_pairs,
        load_chat(base_model_folder.path).count_tokens,
        system_prompt=examples.system_prompt,
        validation_share=examples.validation_share,
        opening_share=examples.opening_share,
        opening_tokens=examples.opening_tokens,
        max_tokens=examples.max_tokens,
        seed=examples.seed,
    )
    rows = [example.model_dump(mode="json") for example in built]
    return pd.DataFrame(rows, columns=list(TrainingExample.model_fields)), rejections
