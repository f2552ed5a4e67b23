from pathlib import Path

import networkx as nx
import pandas as pd

from ragtuned_kedro.datasets.kept_tables import Tables, keep_tables
from ragtuned_kedro.graph.build import build_graph
from ragtuned_kedro.graph.extract import extract_mentions
from ragtuned_kedro.graph.merge import merge_mentions
from ragtuned_kedro.language_models.spacy_pipeline import load_spacy
from ragtuned_kedro.schemas.graph_parameters import ExtractionParams


def extract(
    documents: pd.DataFrame, chunks: pd.DataFrame, kept_tables: Path, extraction: ExtractionParams
) -> Tables:
    """Read sentences and mentions out of documents, or find them read."""
    return keep_tables(kept_tables, _extract_mentions, documents, chunks, extraction)


def _extract_mentions(
    documents: pd.DataFrame, chunks: pd.DataFrame, extraction: ExtractionParams
) -> Tables:
    return extract_mentions(
        documents,
        chunks,
        load_spacy(extraction.spacy_model),
        entity_types=extraction.entity_types,
        max_relationships_per_sentence=extraction.max_relationships_per_sentence,
    )


def merge(
    entity_mentions: pd.DataFrame, relationship_mentions: pd.DataFrame, extraction: ExtractionParams
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Merge mentions into entities, relationships and their provenance."""
    return merge_mentions(
        entity_mentions,
        relationship_mentions,
        max_description_sentences=extraction.max_description_sentences,
    )


def link(entities: pd.DataFrame, relationships: pd.DataFrame) -> nx.Graph:
    """Build the networkx graph."""
    return build_graph(entities, relationships)
