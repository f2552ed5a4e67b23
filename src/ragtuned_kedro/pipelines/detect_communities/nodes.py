import networkx as nx
import pandas as pd

from ragtuned_kedro.communities.detect import detect_communities
from ragtuned_kedro.schemas.graph_parameters import CommunityParams


def detect(
    knowledge_graph: nx.Graph, entity_chunks: pd.DataFrame, communities: CommunityParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Partition the graph into a hierarchy of communities."""
    return detect_communities(
        knowledge_graph,
        entity_chunks,
        max_size=communities.max_size,
        resolution=communities.resolution,
        n_iterations=communities.n_iterations,
        max_levels=communities.max_levels,
        seed=communities.seed,
    )
