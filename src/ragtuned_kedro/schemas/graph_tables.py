"""Tables of the graph: mentions in sentences, and what they are merged into."""

import pandas as pd
import pandera.pandas as pa

from ragtuned_kedro.schemas.tables import Table


class Sentences(Table):
    """One row per sentence; `chunk_id` is the chunk that holds most of it.

    `statement` is the sentence made to stand alone: full names in place of short ones and of
    pronouns wherever it is certain whom they mean.
    """

    sentence_id: str = pa.Field(unique=True, str_startswith="sent-")
    doc_id: str
    chunk_id: str
    position: int = pa.Field(ge=0)
    start_char: int = pa.Field(ge=0)
    end_char: int = pa.Field(ge=1)
    text: str = pa.Field(str_length={"min_value": 1})
    statement: str = pa.Field(str_length={"min_value": 1})

    class Config:
        """A position occurs once per document."""

        unique = ["doc_id", "position"]


class EntityMentions(Table):
    """One row per occurrence of an entity in a sentence; offsets are into Documents.text."""

    mention_id: str = pa.Field(unique=True, str_startswith="emen-")
    chunk_id: str
    sentence_id: str
    start_char: int = pa.Field(ge=0)
    end_char: int = pa.Field(ge=1)
    surface: str = pa.Field(description="as written")
    name: str = pa.Field(description="normalised: one spelling per entity")
    type: str
    description: str = pa.Field(description="what this mention says of the entity")
    glean: int = pa.Field(ge=0)
    call_id: str = pa.Field(nullable=True)


class RelationshipMentions(Table):
    """One row per pair of entities that one sentence relates."""

    mention_id: str = pa.Field(unique=True, str_startswith="rmen-")
    chunk_id: str
    sentence_id: str
    source_name: str
    target_name: str
    description: str
    strength: float = pa.Field(ge=1, le=10)
    glean: int = pa.Field(ge=0)
    call_id: str = pa.Field(nullable=True)


class Entities(Table):
    """One row per entity, merged over its mentions."""

    entity_id: str = pa.Field(unique=True, str_startswith="ent-")
    name: str = pa.Field(unique=True)
    type: str
    description: str
    n_mentions: int = pa.Field(ge=1)
    n_chunks: int = pa.Field(ge=1)
    degree: int = pa.Field(ge=0)
    call_id: str = pa.Field(nullable=True)


class Relationships(Table):
    """One row per pair of entities; undirected, so source_id < target_id."""

    relationship_id: str = pa.Field(unique=True, str_startswith="rel-")
    source_id: str
    target_id: str
    description: str
    weight: float = pa.Field(gt=0, description="sum of the mentions' strengths")
    n_mentions: int = pa.Field(ge=1)
    call_id: str = pa.Field(nullable=True)

    class Config:
        """A pair occurs once."""

        unique = ["source_id", "target_id"]

    @pa.dataframe_check(error="source_id < target_id")
    def ends_are_sorted(cls, frame: pd.DataFrame) -> pd.Series:
        """One order for each pair, and no loops."""
        return frame["source_id"] < frame["target_id"]


class EntityChunks(Table):
    """Provenance: which chunks mention which entity."""

    entity_id: str
    chunk_id: str
    n_mentions: int = pa.Field(ge=1)

    class Config:
        """A pair occurs once."""

        unique = ["entity_id", "chunk_id"]


class RelationshipChunks(Table):
    """Provenance: which chunks state which relationship."""

    relationship_id: str
    chunk_id: str
    n_mentions: int = pa.Field(ge=1)

    class Config:
        """A pair occurs once."""

        unique = ["relationship_id", "chunk_id"]
