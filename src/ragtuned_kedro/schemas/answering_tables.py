"""Tables of what the systems answered, what they fetched for it, and what they prepared."""

import pandera.pandas as pa

from ragtuned_kedro.schemas.tables import Table


class Answers(Table):
    """One row per query, system and sample; an error is a row, never a gap.

    Tokens and seconds hold all that the system spent on the query: retrieval, partial answers and
    the answer itself, not its index. Seconds are those of the batch divided by its size.
    """

    query_id: str
    system: str
    sample: int = pa.Field(ge=0)
    text: str
    finish_reason: str = pa.Field(isin=["stop", "length", "error"])
    n_prompt_tokens: int = pa.Field(ge=0)
    n_completion_tokens: int = pa.Field(ge=0)
    first_token_seconds: float = pa.Field(
        ge=0, nullable=True, description="until the answer's first token; null where unmeasured"
    )
    seconds: float = pa.Field(ge=0)
    peak_memory_bytes: int = pa.Field(
        ge=0, description="most the process, or the GPU, held meanwhile; 0 where unmeasured"
    )
    error: str = pa.Field(nullable=True)

    class Config:
        """One answer for each."""

        unique = ["query_id", "system", "sample"]


class Retrievals(Table):
    """What a system fetched for a query, in its order, and whether the answer was made from it.

    Scores compare within one query and unit kind; a system that ranks nothing has none. A query
    for which nothing was fetched has no row.
    """

    query_id: str
    system: str
    position: int = pa.Field(ge=0)
    unit_kind: str = pa.Field(
        isin=["document", "chunk", "sentence", "entity", "relationship", "report"]
    )
    unit_id: str
    score: float = pa.Field(nullable=True)
    n_tokens: int = pa.Field(ge=0, description="of the text that stands, or would, in the prompt")
    is_used: bool

    class Config:
        """A position occurs once per query and system."""

        unique = ["query_id", "system", "position"]


class IndexCosts(Table):
    """What a system prepared before the first question, and what that took when it was made."""

    unit_kind: str = pa.Field(unique=True)
    n_units: int = pa.Field(ge=0)
    n_tokens: int = pa.Field(ge=0, description="tokens indexed")
    n_bytes: int = pa.Field(ge=0, description="on disk")
    seconds: float = pa.Field(ge=0)
