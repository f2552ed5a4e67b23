"""What a teacher is asked to write questions about, and the chunks it is shown."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ragtuned_kedro.schemas.ids import seeded_order


@dataclass(frozen=True)
class Anchor:
    """A subject with what is noted of it and the chunks that tell of it, in corpus order.

    `key` is unique: a local anchor is a thing in one chunk.
    """

    key: str
    kind: str
    anchor_kind: str
    anchor_id: str
    subject: str
    notes: str
    chunk_ids: tuple[str, ...]


@dataclass(frozen=True)
class GraphTables:
    """The tables that anchors are drawn from."""

    chunks: pd.DataFrame
    entities: pd.DataFrame
    relationships: pd.DataFrame
    entity_chunks: pd.DataFrame
    relationship_chunks: pd.DataFrame
    community_members: pd.DataFrame
    community_reports: pd.DataFrame


def draw_anchors(
    tables: GraphTables, *, most: Mapping[str, int], max_chunks: int, seed: int
) -> list[Anchor]:
    """Draw up to `most[kind]` anchors of each kind, by hash, so that more add to the fewer.

    local: a thing (entity or relationship) in one chunk that mentions it; entity_reasoning and
    relationship_reasoning: a thing with up to `max_chunks` of its chunks; global: a community's
    report with chunks of its members.
    """
    chunks_of = _chunks_by_thing(tables)
    things = [*_entities(tables, chunks_of), *_relationships(tables, chunks_of)]
    local = [
        Anchor(f"{one.anchor_id} {chunk_id}", "local", *_about(one), (chunk_id,))
        for one in things
        for chunk_id in one.chunk_ids
    ]
    candidates = {
        "local": local,
        "entity_reasoning": [one for one in things if one.anchor_kind == "entity"],
        "relationship_reasoning": [one for one in things if one.anchor_kind == "relationship"],
        "global": _communities(tables, chunks_of),
    }
    drawn = []
    for kind, anchors in candidates.items():
        by_key = {one.key: one for one in anchors}
        for key in seeded_order(by_key, seed=seed)[: most[kind]]:
            one = by_key[key]
            about = (one.anchor_kind, one.anchor_id, one.subject, one.notes)
            drawn.append(Anchor(f"{kind} {key}", kind, *about, one.chunk_ids[:max_chunks]))
    return drawn


def _about(one: Anchor) -> tuple[str, str, str, str]:
    return one.anchor_kind, one.anchor_id, one.subject, one.notes


def _chunks_by_thing(tables: GraphTables) -> dict[str, tuple[str, ...]]:
    order = {chunk_id: n for n, chunk_id in enumerate(tables.chunks["chunk_id"])}
    found: dict[str, tuple[str, ...]] = {}
    for frame, key in (
        (tables.entity_chunks, "entity_id"),
        (tables.relationship_chunks, "relationship_id"),
    ):
        for thing, chunk_ids in frame.groupby(key)["chunk_id"]:
            found[str(thing)] = tuple(sorted(set(chunk_ids), key=order.__getitem__))
    return found


def _entities(tables: GraphTables, chunks_of: Mapping[str, tuple[str, ...]]) -> list[Anchor]:
    return [
        Anchor(
            row.entity_id,
            "entity_reasoning",
            "entity",
            row.entity_id,
            row.name,
            row.description,
            chunks_of[row.entity_id],
        )
        for row in tables.entities.itertuples()
    ]


def _relationships(tables: GraphTables, chunks_of: Mapping[str, tuple[str, ...]]) -> list[Anchor]:
    names = dict(zip(tables.entities["entity_id"], tables.entities["name"], strict=True))
    return [
        Anchor(
            row.relationship_id,
            "relationship_reasoning",
            "relationship",
            row.relationship_id,
            f"how {names[row.source_id]} and {names[row.target_id]} are connected",
            row.description,
            chunks_of[row.relationship_id],
        )
        for row in tables.relationships.itertuples()
    ]


def _communities(tables: GraphTables, chunks_of: Mapping[str, tuple[str, ...]]) -> list[Anchor]:
    members = tables.community_members.groupby("community_id")["entity_id"].agg(list).to_dict()
    order = {chunk_id: n for n, chunk_id in enumerate(tables.chunks["chunk_id"])}
    anchors = []
    for row in tables.community_reports.itertuples():
        told = {chunk for one in members[row.community_id] for chunk in chunks_of[one]}
        anchors.append(
            Anchor(
                row.community_id,
                "global",
                "community",
                row.community_id,
                row.title,
                row.text,
                tuple(sorted(told, key=order.__getitem__)),
            )
        )
    return anchors
