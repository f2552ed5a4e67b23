"""Local search on a graph of three nodes; the reader's tokens are words."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import yaml

from ragtuned_kedro.answering.evidence import Evidence
from ragtuned_kedro.answering.graph_local import GraphTables, LocalContext
from ragtuned_kedro.answering.systems import Query
from ragtuned_kedro.retrieval.hybrid import Hit
from ragtuned_kedro.retrieval.passages import PassageIndex
from ragtuned_kedro.schemas.answering_parameters import GraphLocalParams
from tests.answering.test_retrieving import CONF

SOLD, GOAT, BELL = "the mill was sold in may", "a goat lives there", "the bell rang"
QUERY = Query("equery-a", "when was the mill sold")
WORDS = sorted({word for text in [SOLD, GOAT, BELL, QUERY.text] for word in text.split()})
ENTITIES = [
    Hit("ent-mill", "mill: it is old", 0.9),
    Hit("ent-goat", "goat: it is brown", 0.5),
]


def embed(texts: Sequence[str]) -> np.ndarray:
    counts = np.array([[text.split().count(word) for word in WORDS] for text in texts], float)
    return counts / np.maximum(1e-9, np.linalg.norm(counts, axis=1, keepdims=True))


class WordReader:
    def count_tokens(self, text: str) -> int:
        return len(text.split())


def tables(*, between: str) -> GraphTables:
    return GraphTables(
        entities=pd.DataFrame(),
        relationships=pd.DataFrame(
            {
                "relationship_id": ["rel-a", "rel-b"],
                "source_id": ["ent-mill", "ent-mill"],
                "target_id": ["ent-goat", "ent-bell"],
                "description": [between, "the bell hangs at the mill"],
                "weight": [2.0, 1.0],
            }
        ),
        entity_chunks=pd.DataFrame(
            {"entity_id": ["ent-mill"], "chunk_id": ["chunk-a"], "n_mentions": [1]}
        ),
        members=pd.DataFrame({"entity_id": ["ent-mill"], "community_id": ["comm-a"], "level": [0]}),
        reports=pd.DataFrame(
            {"community_id": ["comm-a"], "summary": ["all is about a mill"], "rating": [5.0]}
        ),
    )


def search(between: str = "the goat guards the mill", **changes: object) -> Evidence:
    texts = [SOLD, GOAT, BELL]
    passages = PassageIndex.build(
        pd.DataFrame(
            {"chunk_id": ["chunk-a"], "doc_id": "doc-a", "position": 0, "text": ". ".join(texts)}
        ),
        pd.DataFrame(
            {
                "sentence_id": ["sent-0", "sent-1", "sent-2"],
                "doc_id": "doc-a",
                "chunk_id": "chunk-a",
                "position": [0, 1, 2],
                "text": texts,
            }
        ),
        pd.DataFrame(
            {"doc_id": ["doc-a"], "title": "it", "published_at": pd.NaT, "source_uri": "a"}
        ),
        embed,
    )
    settings = yaml.safe_load((CONF / "parameters_answering.yml").read_text())["graph_local"]
    shares = {"report_share": 0.0, "entity_share": 0.0, "chunk_share": 0.5, "n_relationships": 2}
    chosen = settings | shares | {"evidence_tokens": 100, "n_sentences": 2} | changes
    params = GraphLocalParams(**chosen)
    context = LocalContext(
        tables(between=between),
        passages,
        WordReader(),  # type: ignore[arg-type]
        params,
        room=params.evidence_tokens,
        abstention="No.",
    )
    (found,) = passages.search([QUERY.text], embed, n_chunks=1)
    return context.evidence(QUERY, ENTITIES, found, 0.0)


def test_reports_entities_and_relationships_stand_above_sentences_and_the_nearest_stands_last():
    lines = search(report_share=0.1, entity_share=0.1).text.split("\n")
    assert lines == [
        "all is about a mill",
        "mill: it is old",
        "goat: it is brown",
        "the goat guards the mill",
        "the bell hangs at the mill",
        BELL,
        SOLD,
    ]


def test_a_description_that_is_one_of_the_sentences_is_said_once_next_to_the_question():
    evidence = search(between=SOLD)
    assert evidence.text.split("\n") == ["the bell hangs at the mill", BELL, SOLD]
    used = {unit.unit_id: unit.is_used for unit in evidence.units}
    assert (used["rel-a"], used["sent-0"]) == (False, True)


def test_what_was_not_shown_for_want_of_room_was_not_said():
    # The report has no room; its words still stand where a relationship says them.
    assert search(between="all is about a mill").text.split("\n")[0] == "all is about a mill"


def test_relationships_get_what_the_shares_leave():
    # The sentences take 11 of the tokens, line breaks included, and a relationship 6.
    for room, expected in ((16, [BELL, SOLD]), (17, ["the goat guards the mill", BELL, SOLD])):
        evidence = search(evidence_tokens=room, chunk_share=0.7)
        assert evidence.text.split("\n") == expected
        assert sum(unit.n_tokens for unit in evidence.units if unit.is_used) <= room
