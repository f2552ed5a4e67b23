"""Tables become a networkx graph."""

import networkx as nx
import pandas as pd


def build_graph(entities: pd.DataFrame, relationships: pd.DataFrame) -> nx.Graph:
    """Derive the graph of Entities (nodes) and Relationships (weighted edges), inserted sorted.

    Raises:
        ValueError: If a relationship names an entity that does not exist.
    """
    graph = nx.Graph()
    for row in entities.sort_values("entity_id").itertuples():
        graph.add_node(row.entity_id, name=row.name, type=row.type, degree=int(row.degree))
    for row in relationships.sort_values(["source_id", "target_id"]).itertuples():
        if missing := [end for end in (row.source_id, row.target_id) if end not in graph]:
            raise ValueError(f"relationship {row.relationship_id} names no entity: {missing}")
        graph.add_edge(
            row.source_id,
            row.target_id,
            weight=float(row.weight),
            relationship_id=row.relationship_id,
        )
    return graph
