"""Tables of the corpus: documents and the chunks they are cut into."""

from typing import Annotated

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from ragtuned_kedro.schemas.tables import Table

Timestamp = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Documents(Table):
    """One row per document; chunk and sentence offsets refer to `text`."""

    doc_id: str = pa.Field(unique=True, str_startswith="doc-")
    source_uri: str = pa.Field(unique=True)
    title: str
    text: str = pa.Field(str_length={"min_value": 1})
    author: str = pa.Field(nullable=True)
    category: str = pa.Field(nullable=True)
    published_at: Series[Timestamp] = pa.Field(nullable=True)
    n_chars: int = pa.Field(ge=1)
    n_tokens: int = pa.Field(ge=1)


class Chunks(Table):
    """One row per token window; offsets are characters, half-open, into Documents.text."""

    chunk_id: str = pa.Field(unique=True, str_startswith="chunk-")
    doc_id: str
    position: int = pa.Field(ge=0)
    start_char: int = pa.Field(ge=0)
    end_char: int = pa.Field(ge=1)
    text: str = pa.Field(str_length={"min_value": 1})
    n_tokens: int = pa.Field(ge=1)

    class Config:
        """A position occurs once per document."""

        unique = ["doc_id", "position"]

    @pa.dataframe_check(error="span length equals text length")
    def span_matches_text(cls, frame: pd.DataFrame) -> pd.Series:
        """Offsets must describe exactly the text they sit beside."""
        return (frame["end_char"] - frame["start_char"]) == frame["text"].str.len()
