"""Tables of the communities of the graph, and of the reports about them."""

import pandas as pd
import pandera.pandas as pa

from ragtuned_kedro.schemas.tables import Table


class Communities(Table):
    """One row per community; level 0 is the coarsest, a child is one level deeper."""

    community_id: str = pa.Field(unique=True, str_startswith="comm-")
    level: int = pa.Field(ge=0)
    parent_id: str = pa.Field(nullable=True)
    n_entities: int = pa.Field(ge=1)
    n_relationships: int = pa.Field(ge=0)
    n_chunks: int = pa.Field(ge=1)
    is_leaf: bool

    @pa.dataframe_check(error="parent_id is null exactly at level 0")
    def roots_have_no_parent(cls, frame: pd.DataFrame) -> pd.Series:
        """Only the coarsest level has no parent."""
        return frame["parent_id"].isna() == (frame["level"] == 0)


class CommunityMembers(Table):
    """One home per entity and level."""

    community_id: str
    level: int = pa.Field(ge=0)
    entity_id: str

    class Config:
        """An entity has one home per level."""

        unique = ["level", "entity_id"]


class CommunityReports(Table):
    """One report per community."""

    community_id: str = pa.Field(unique=True)
    title: str
    summary: str
    rating: float = pa.Field(ge=0, le=10, description="importance, 0 to 10")
    rating_reason: str
    text: str = pa.Field(str_length={"min_value": 1})
    n_tokens: int = pa.Field(ge=1)
    context_source: str = pa.Field(isin=["members", "members_trimmed", "child_reports"])
    call_id: str = pa.Field(nullable=True)


class ReportFindings(Table):
    """The points of a report, in order; the evidence of a finding is one sentence."""

    community_id: str
    position: int = pa.Field(ge=0)
    summary: str
    explanation: str
    sentence_id: str = pa.Field(nullable=True)

    class Config:
        """A position occurs once per report."""

        unique = ["community_id", "position"]
