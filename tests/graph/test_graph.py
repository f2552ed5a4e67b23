"""Laws of the graph: names, pronouns, mentions, provenance."""

import pandas as pd
import pytest

from ragtuned_kedro.graph.build import build_graph
from ragtuned_kedro.graph.merge import merge_mentions
from ragtuned_kedro.language_models.spacy_pipeline import load_spacy
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.graph_tables import EntityMentions, RelationshipMentions
from ragtuned_kedro.schemas.tables import frame_of
from tests.conftest import Village, build_village


def test_a_short_name_and_a_pronoun_become_the_full_name(village: Village) -> None:
    assert village.statement("Greta painted").startswith("Greta Holm painted")
    assert village.statement("She lives").startswith("Greta Holm lives")
    assert village.statement("His sister").startswith("Otto Lind's sister Maren Lind")


def test_the_first_person_is_the_author(village: Village) -> None:
    assert village.statement("I gave") == "Ada Morrow gave Maren Lind three jars of honey."


def test_people_and_places_are_told_apart(village: Village) -> None:
    types = dict(zip(village.entities["name"], village.entities["type"], strict=True))
    assert types["Greta Holm"] == types["Otto Lind"] == types["Maren Lind"] == "PERSON"
    assert types["Tarn Mill"] == types["Quay Street"] == "GEO"


def test_every_sentence_is_reachable_from_an_entity(village: Village) -> None:
    assert set(village.entity_mentions["sentence_id"]) == set(village.sentences["sentence_id"])


def test_offsets_cut_mentions_and_sentences_out_of_documents(village: Village) -> None:
    texts = dict(zip(village.documents["doc_id"], village.documents["text"], strict=True))
    doc_of = dict(zip(village.sentences["sentence_id"], village.sentences["doc_id"], strict=True))
    for row in village.sentences.itertuples():
        assert texts[row.doc_id][row.start_char : row.end_char] == row.text
    for row in village.entity_mentions.itertuples():
        assert texts[doc_of[row.sentence_id]][row.start_char : row.end_char] == row.surface


def test_every_entity_has_a_chunk_and_every_relationship_has_its_ends(village: Village) -> None:
    assert set(village.entity_chunks["entity_id"]) == set(village.entities["entity_id"])
    ends = set(village.relationships["source_id"]) | set(village.relationships["target_id"])
    assert ends <= set(village.entities["entity_id"])
    assert set(village.relationship_chunks["chunk_id"]) <= set(village.chunks["chunk_id"])


def test_names_that_differ_in_case_are_one_entity() -> None:
    def mention(n: int, name: str, kind: str) -> dict:
        return {
            "mention_id": f"emen-{n}",
            "chunk_id": "chunk-1",
            "sentence_id": "sent-1",
            "start_char": 0,
            "end_char": 4,
            "surface": name,
            "name": name,
            "type": kind,
            "description": f"about {n}",
            "glean": 0,
            "call_id": None,
        }

    mentions = [mention(1, "Tarn", "GEO"), mention(2, "TARN", "GEO"), mention(3, "Tarn", "PERSON")]
    entities, relationships, _, _ = merge_mentions(
        frame_of(EntityMentions, mentions),
        frame_of(RelationshipMentions, []),
        max_description_sentences=2,
    )
    assert entities[["name", "type", "n_mentions"]].to_numpy().tolist() == [["Tarn", "GEO", 3]]
    assert relationships.empty


def test_a_relationship_without_its_entity_is_refused(village: Village) -> None:
    with pytest.raises(ValueError, match="names no entity"):
        build_graph(village.entities.iloc[:0], village.relationships)


def test_reading_twice_gives_the_same_tables(village: Village) -> None:
    again = build_village()
    for name in ("sentences", "entity_mentions", "entities", "relationships", "communities"):
        pd.testing.assert_frame_equal(getattr(village, name), getattr(again, name))


def test_a_missing_spacy_pipeline_is_a_message_that_names_the_setting() -> None:
    with pytest.raises(UserError, match=r"extraction\.spacy_model"):
        load_spacy("no_such_pipeline")
