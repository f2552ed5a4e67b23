import pandas as pd

from ragtuned_kedro.graph.extract import extract_mentions
from ragtuned_kedro.graph.teacher_describe import describe_with_teacher
from ragtuned_kedro.graph.teacher_extract import extract_with_teacher
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.spacy_pipeline import load_spacy
from ragtuned_kedro.schemas.graph_parameters import ExtractionParams
from ragtuned_kedro.schemas.teaching_parameters import TeachingParams


def split(
    documents: pd.DataFrame, chunks: pd.DataFrame, extraction: ExtractionParams
) -> pd.DataFrame:
    """Split documents into sentences."""
    sentences, _, _ = extract_mentions(
        documents,
        chunks,
        load_spacy(extraction.spacy_model),
        entity_types=extraction.entity_types,
        max_relationships_per_sentence=extraction.max_relationships_per_sentence,
    )
    return sentences


def extract(
    chunks: pd.DataFrame,
    sentences: pd.DataFrame,
    teacher: Asker,
    graph_prompts: PromptBook,
    extraction: ExtractionParams,
    teaching: TeachingParams,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Have the teacher read every chunk."""
    return extract_with_teacher(
        chunks,
        sentences,
        teacher,
        graph_prompts,
        entity_types=extraction.entity_types,
        max_name_words=extraction.max_name_words,
        max_name_chars=extraction.max_name_chars,
        language=teaching.language,
        n_gleanings=teaching.n_gleanings,
        max_new_tokens=teaching.extraction_tokens,
    )


def describe(
    merged_entities: pd.DataFrame,
    merged_relationships: pd.DataFrame,
    entity_mentions: pd.DataFrame,
    relationship_mentions: pd.DataFrame,
    teacher: Asker,
    graph_prompts: PromptBook,
    teaching: TeachingParams,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Have the teacher describe what was mentioned more than once."""
    return describe_with_teacher(
        merged_entities,
        merged_relationships,
        entity_mentions,
        relationship_mentions,
        teacher,
        graph_prompts,
        language=teaching.language,
        max_words=teaching.max_description_words,
        max_new_tokens=teaching.description_tokens,
    )
