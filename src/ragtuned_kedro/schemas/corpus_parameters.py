"""Parameters of the corpus: what is read, and how it is cut."""

from pydantic import Field, model_validator

from ragtuned_kedro.schemas.parameters import Block, Share


class CorpusParams(Block):
    """Which files are read as documents."""

    text_column: str = Field(min_length=1)
    title_column: str = Field(min_length=1)
    date_column: str = Field(min_length=1)
    max_rejected_share: float = Share


class ChunkingParams(Block):
    """Token windows; `size` and `overlap` are tokens of the base model's tokenizer."""

    size: int = Field(ge=8)
    overlap: int = Field(ge=0)

    @model_validator(mode="after")
    def _windows_advance(self) -> "ChunkingParams":
        if self.overlap >= self.size:
            raise ValueError(f"overlap ({self.overlap}) must be below size ({self.size})")
        return self
