"""Where the entities of the picture lie."""

import networkx as nx
import numpy as np
import pandas as pd

Positions = dict[str, tuple[float, float]]

# The cost is steps times entities squared; after a hundred steps the picture hardly moves.
_N_STEPS = 100
_N_PUSHES = 60


def place_entities(names: list[str], relationships: pd.DataFrame, *, seed: int) -> Positions:
    """Place entities by seeded springs, pulled to the centre so that loose parts stay in sight."""
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(names)
    for row in relationships.to_dict("records"):
        # The square root keeps one often-told pair from collapsing into one point.
        graph.add_edge(row["source_id"], row["target_id"], weight=float(row["weight"]) ** 0.5)
    if len(graph) < 2:
        return dict.fromkeys(names, (0.0, 0.0))
    # networkx's types lag behind its signature.
    placed = nx.spring_layout(graph, seed=seed, method="energy", gravity=2.0, iterations=_N_STEPS)  # type: ignore[call-arg]
    apart = _push_apart(np.array([placed[name] for name in names]))
    return {name: (float(x), float(y)) for name, (x, y) in zip(names, apart, strict=True)}


def _push_apart(points: np.ndarray) -> np.ndarray:
    """Stretch `points`, (entities, 2), over the unit square and move dots off each other.

    Springs leave most dots in one heap; taking half of each coordinate from its place in the
    order of coordinates opens the heap and keeps who is beside whom.
    """
    spread = np.ptp(points, axis=0)
    stretched = (points - points.min(axis=0)) / np.where(spread > 0, spread, 1)
    ordered = np.argsort(np.argsort(points, axis=0, kind="stable"), axis=0) / (len(points) - 1)
    placed = (stretched + ordered) / 2
    # About the distance at which dots of middling size touch, less where they are many.
    reach = min(0.07, 0.6 / len(placed) ** 0.5)
    for _ in range(_N_PUSHES):
        apart = placed[:, None, :] - placed[None, :, :]
        distance = np.linalg.norm(apart, axis=2) + np.eye(len(placed))
        push = np.clip(reach - distance, 0, None) / (2 * np.maximum(distance, 1e-6))
        placed = placed + 0.5 * (apart * push[:, :, None]).sum(axis=1)
    return placed
