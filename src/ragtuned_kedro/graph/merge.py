"""Mentions become entities and relationships, with the chunks that support them."""

from collections import Counter

import pandas as pd

from ragtuned_kedro.schemas.graph_tables import (
    Entities,
    EntityChunks,
    RelationshipChunks,
    Relationships,
)
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.tables import frame_of


def entity_key(name: str) -> str:
    """Name an entity by its folded name, so that case never splits it in two."""
    return content_id("ent", name.casefold())


def merge_mentions(
    entity_mentions: pd.DataFrame,
    relationship_mentions: pd.DataFrame,
    *,
    max_description_sentences: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Merge mentions into Entities, Relationships, EntityChunks and RelationshipChunks.

    The type of an entity is its mentions' majority, ties alphabetical; its description is the
    first distinct statements made of it, in corpus order.
    """
    mentions = entity_mentions.assign(entity_id=entity_mentions["name"].map(entity_key))
    pairs = _undirected(relationship_mentions)
    edges = pairs.drop_duplicates("relationship_id")
    degree = Counter([*edges["source_id"], *edges["target_id"]])
    entities = [
        {
            "entity_id": entity_id,
            "name": _majority(group["name"]),
            "type": _majority(group["type"]),
            "description": _describe(group["description"], max_description_sentences),
            "n_mentions": len(group),
            "n_chunks": group["chunk_id"].nunique(),
            "degree": degree[str(entity_id)],
            "call_id": None,
        }
        for entity_id, group in mentions.groupby("entity_id", sort=True)
    ]
    relationships = [
        {
            "relationship_id": relationship_id,
            "source_id": group["source_id"].iloc[0],
            "target_id": group["target_id"].iloc[0],
            "description": _describe(group["description"], max_description_sentences),
            "weight": float(group["strength"].sum()),
            "n_mentions": len(group),
            "call_id": None,
        }
        for relationship_id, group in pairs.groupby("relationship_id", sort=True)
    ]
    return (
        frame_of(Entities, entities),
        frame_of(Relationships, relationships),
        frame_of(EntityChunks, _counts(mentions, "entity_id")),
        frame_of(RelationshipChunks, _counts(pairs, "relationship_id")),
    )


def _undirected(mentions: pd.DataFrame) -> pd.DataFrame:
    ends = [
        tuple(sorted((entity_key(row.source_name), entity_key(row.target_name))))
        for row in mentions.itertuples()
    ]
    return mentions.assign(
        source_id=[a for a, _ in ends],
        target_id=[b for _, b in ends],
        relationship_id=[content_id("rel", a, b) for a, b in ends],
    )


def _majority(values: pd.Series) -> str:
    counts = Counter(values.tolist())
    return min(counts, key=lambda value: (-counts[value], value))


def _describe(statements: pd.Series, most: int) -> str:
    return " ".join(list(dict.fromkeys(statements.tolist()))[:most])


def _counts(frame: pd.DataFrame, key: str) -> list[dict]:
    counts = Counter(zip(frame[key], frame["chunk_id"], strict=True))
    return [
        {key: one, "chunk_id": chunk_id, "n_mentions": n}
        for (one, chunk_id), n in sorted(counts.items())
    ]
