"""Parameters of the graph, its communities and their reports."""

from pydantic import Field

from ragtuned_kedro.schemas.parameters import Block


class ExtractionParams(Block):
    """How entities and relationships are found."""

    spacy_model: str = Field(min_length=1)
    entity_types: tuple[str, ...] = Field(min_length=1)
    max_relationships_per_sentence: int = Field(ge=1)
    max_name_words: int = Field(ge=1, description="of a name that a teacher gives")
    max_name_chars: int = Field(ge=1)
    max_description_sentences: int = Field(ge=1)


class CommunityParams(Block):
    """Hierarchical Leiden; a community larger than `max_size` entities is split again."""

    max_size: int = Field(ge=2)
    resolution: float = Field(gt=0)
    n_iterations: int = Field(ge=1)
    max_levels: int = Field(ge=1)
    seed: int = Field(ge=0)


class ReportParams(Block):
    """Extractive reports."""

    max_tokens: int = Field(ge=16)
    max_findings: int = Field(ge=1)
