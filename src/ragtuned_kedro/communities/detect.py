"""Hierarchical communities: Leiden, repeated inside every community that is still too large."""

import random

import igraph as ig
import networkx as nx
import pandas as pd

from ragtuned_kedro.schemas.community_tables import Communities, CommunityMembers
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.tables import frame_of


def detect_communities(
    graph: nx.Graph,
    entity_chunks: pd.DataFrame,
    *,
    max_size: int,
    resolution: float,
    n_iterations: int,
    max_levels: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Partition the graph into Communities and CommunityMembers, level 0 coarsest.

    Every entity has exactly one home at every level: a community that is not split is its own only
    child on the next level, and isolated entities are gathered in communities of at most
    `max_size`. Splitting ends when every community holds at most `max_size` entities, when Leiden
    finds no further cut, or after `max_levels`. Source: Traag et al. 2019 for Leiden; the
    recursion is GraphRAG's hierarchical Leiden.
    """
    levels = _hierarchy(graph, max_size, resolution, n_iterations, max_levels, seed)
    chunks_of = entity_chunks.groupby("entity_id")["chunk_id"].agg(set).to_dict()
    community_rows: list[dict] = []
    member_rows: list[dict] = []
    parent_of: dict[str, str] = {}
    for level, partition in enumerate(levels):
        is_last = level == len(levels) - 1
        home: dict[str, str] = {}
        for members in partition:
            community_id = content_id("comm", level, *members)
            home.update(dict.fromkeys(members, community_id))
            community_rows.append(
                {
                    "community_id": community_id,
                    "level": level,
                    "parent_id": parent_of.get(members[0]),
                    "n_entities": len(members),
                    "n_relationships": graph.subgraph(members).number_of_edges(),
                    "n_chunks": len(set().union(*(chunks_of.get(m, set()) for m in members))) or 1,
                    "is_leaf": is_last,
                }
            )
            member_rows.extend(
                {"community_id": community_id, "level": level, "entity_id": m} for m in members
            )
        parent_of = home
    return frame_of(Communities, community_rows), frame_of(CommunityMembers, member_rows)


def _hierarchy(
    graph: nx.Graph,
    max_size: int,
    resolution: float,
    n_iterations: int,
    max_levels: int,
    seed: int,
) -> list[list[list[str]]]:
    """List, level by level, the sorted member lists of the communities."""
    if not graph:
        return []
    isolated = sorted(nx.isolates(graph))
    connected = sorted(set(graph) - set(isolated))
    first = _leiden(graph, connected, resolution, n_iterations, seed)
    first += [isolated[i : i + max_size] for i in range(0, len(isolated), max_size)]
    levels = [sorted(first)]
    while len(levels) < max_levels and any(len(c) > max_size for c in levels[-1]):
        finer: list[list[str]] = []
        for community in levels[-1]:
            if len(community) > max_size:
                finer += _leiden(graph, community, resolution, n_iterations, seed)
            else:
                finer.append(community)
        if len(finer) == len(levels[-1]):
            break
        levels.append(sorted(finer))
    return levels


def _leiden(
    graph: nx.Graph, members: list[str], resolution: float, n_iterations: int, seed: int
) -> list[list[str]]:
    """Cut the subgraph of `members` by modularity; seeded, so equal input gives equal cuts."""
    if not members:
        return []
    index = {entity_id: i for i, entity_id in enumerate(members)}
    edges = [
        (index[a], index[b], data["weight"])
        for a, b, data in graph.subgraph(members).edges(data=True)
    ]
    edges = sorted((min(a, b), max(a, b), w) for a, b, w in edges)
    cut = ig.Graph(n=len(members), edges=[(a, b) for a, b, _ in edges])
    ig.set_random_number_generator(random.Random(seed))
    membership = cut.community_leiden(
        objective_function="modularity",
        weights=[w for _, _, w in edges] or None,
        resolution=resolution,
        n_iterations=n_iterations,
    ).membership
    found: dict[int, list[str]] = {}
    for entity_id, label in zip(members, membership, strict=True):
        found.setdefault(label, []).append(entity_id)
    return sorted(sorted(group) for group in found.values())
