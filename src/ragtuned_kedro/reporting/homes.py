"""Which community an entity belongs to at each level, and in which colour both are shown."""

import pandas as pd

from ragtuned_kedro.reporting.palette import COMMUNITY_COLOURS


def levels_of(communities: pd.DataFrame) -> list[int]:
    """List the levels from coarse to fine."""
    return sorted(int(level) for level in communities["level"].unique())


def homes_at(members: pd.DataFrame, *, level: int) -> dict[str, str]:
    """Map entities to the finest community at `level` or coarser.

    A small community is not split again, so its entities keep their home at all finer levels.
    """
    reached = members[members["level"] <= level].sort_values("level")
    return dict(zip(reached["entity_id"], reached["community_id"], strict=True))


def communities_at(communities: pd.DataFrame, *, level: int) -> pd.DataFrame:
    """Choose the communities of `level` and the coarser ones that are not split again."""
    is_here = communities["level"] == level
    return communities[is_here | (communities["is_leaf"] & (communities["level"] < level))]


def colours_at(communities: pd.DataFrame, *, level: int) -> dict[str, str]:
    """Colour the communities shown at `level`, largest first; after the last, colours repeat."""
    ordered = communities_at(communities, level=level).sort_values(
        ["n_entities", "community_id"], ascending=[False, True]
    )
    return {
        community_id: COMMUNITY_COLOURS[place % len(COMMUNITY_COLOURS)]
        for place, community_id in enumerate(ordered["community_id"])
    }
