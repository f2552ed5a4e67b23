"""What lies around entities in the knowledge graph: relationships, reports and chunks."""

from collections.abc import Sequence

import pandas as pd


def rank_relationships(relationships: pd.DataFrame, entity_ids: Sequence[str]) -> pd.DataFrame:
    """Order the Relationships that touch `entity_ids`: first those between two of them.

    Among those that lead out, the ends that more of `entity_ids` lead to come first, as in
    GraphRAG's local search; then the heavier ones.
    """
    chosen = set(entity_ids)
    touching = relationships[
        relationships["source_id"].isin(chosen) | relationships["target_id"].isin(chosen)
    ]
    is_inside = touching["source_id"].isin(chosen) & touching["target_id"].isin(chosen)
    outer = touching["target_id"].where(touching["source_id"].isin(chosen), touching["source_id"])
    n_links = outer.map(outer[~is_inside].value_counts()).fillna(0)
    return (
        touching.assign(is_inside=is_inside, n_links=n_links.where(~is_inside, 0))
        .sort_values(
            ["is_inside", "n_links", "weight", "relationship_id"],
            ascending=[False, False, False, True],
        )
        .drop(columns=["is_inside", "n_links"])
    )


def rank_reports(
    reports: pd.DataFrame, members: pd.DataFrame, entity_ids: Sequence[str]
) -> pd.DataFrame:
    """Order the CommunityReports on the homes of `entity_ids`: most of them, then best rated.

    A home is an entity's community on the deepest level.
    """
    deepest = members[members["level"] == members["level"].max()]
    counts = deepest[deepest["entity_id"].isin(set(entity_ids))]["community_id"].value_counts()
    about = reports[reports["community_id"].isin(counts.index)]
    return (
        about.assign(n_matches=about["community_id"].map(counts))
        .sort_values(["n_matches", "rating", "community_id"], ascending=[False, False, True])
        .drop(columns="n_matches")
    )


def rank_chunks(
    entity_chunks: pd.DataFrame, entity_ids: Sequence[str], nearest: Sequence[str]
) -> list[str]:
    """Order the chunks that mention `entity_ids`: those in `nearest` by that order, then the rest.

    GraphRAG goes by entity and by the number of relationships in a chunk. An entity that stands in
    half of all chunks says little about which of them is asked for, so here the nearness of a
    chunk to the query decides first, and the order of the entities among the others.
    """
    order = {entity_id: at for at, entity_id in enumerate(entity_ids)}
    linked = entity_chunks[entity_chunks["entity_id"].isin(order)]
    linked = linked.assign(at=linked["entity_id"].map(order)).sort_values(
        ["at", "n_mentions", "chunk_id"], ascending=[True, False, True]
    )
    found = list(dict.fromkeys(linked["chunk_id"]))
    is_linked = set(found)
    first = [chunk_id for chunk_id in nearest if chunk_id in is_linked]
    return list(dict.fromkeys([*first, *found]))
