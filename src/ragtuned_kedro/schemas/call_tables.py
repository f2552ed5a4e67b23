"""Tables of what other models were asked, what it cost, and whose text they were shown."""

import pandera.pandas as pa

from ragtuned_kedro.schemas.tables import Table


class ModelCalls(Table):
    """One row per call that a model answered; `key` is the row that the prompt was about.

    `outcome` says whether the reply was kept (valid) or why not; the text of a reply that was not
    kept is null, and so is a vector. `seconds` is wall time, waiting for limits left out.
    """

    call_id: str = pa.Field(unique=True, str_startswith="call-")
    stage: str
    key: str
    model_id: str
    endpoint: str
    request_sha: str = pa.Field(description="rendered prompt, model and sampling settings")
    attempt: int = pa.Field(ge=0)
    outcome: str = pa.Field(isin=["valid", "invalid", "length", "refused"])
    text: str = pa.Field(nullable=True)
    n_prompt_tokens: int = pa.Field(ge=0)
    n_completion_tokens: int = pa.Field(ge=0)
    seconds: float = pa.Field(ge=0)
    error: str = pa.Field(nullable=True)


class Sendings(Table):
    """One row per call that was sent, or was about to be: written before anything left.

    Whether an answer came does not matter. The columns are those of ModelCalls; the key of a text
    that was embedded is its `request_sha`.
    """

    request_sha: str
    attempt: int = pa.Field(ge=0)
    stage: str
    key: str
    model_id: str
    endpoint: str

    class Config:
        """One row for each."""

        unique = ["request_sha", "attempt", "stage", "key", "model_id", "endpoint"]


class CallEstimates(Table):
    """What a stage will ask, before anything is asked: least and most of each amount."""

    stage: str = pa.Field(unique=True)
    model_id: str
    endpoint: str
    basis: str = pa.Field(isin=["counted", "assumed"], description="are the prompts known yet")
    calls_low: int = pa.Field(ge=0)
    calls_high: int = pa.Field(ge=0)
    prompt_tokens_low: int = pa.Field(ge=0)
    prompt_tokens_high: int = pa.Field(ge=0)
    completion_tokens_low: int = pa.Field(ge=0)
    completion_tokens_high: int = pa.Field(ge=0)
    money_low: float = pa.Field(ge=0)
    money_high: float = pa.Field(ge=0)
    currency: str


class Spendings(Table):
    """Estimate against actual, by stage; the estimate of an unforeseen stage is null."""

    stage: str = pa.Field(unique=True)
    n_calls: int = pa.Field(ge=0)
    n_unusable: int = pa.Field(ge=0, description="calls whose reply was not kept")
    n_prompt_tokens: int = pa.Field(ge=0)
    n_completion_tokens: int = pa.Field(ge=0)
    money: float = pa.Field(ge=0)
    calls_low: float = pa.Field(ge=0, nullable=True)
    calls_high: float = pa.Field(ge=0, nullable=True)
    prompt_tokens_low: float = pa.Field(ge=0, nullable=True)
    prompt_tokens_high: float = pa.Field(ge=0, nullable=True)
    completion_tokens_low: float = pa.Field(ge=0, nullable=True)
    completion_tokens_high: float = pa.Field(ge=0, nullable=True)
    money_low: float = pa.Field(ge=0, nullable=True)
    money_high: float = pa.Field(ge=0, nullable=True)
    currency: str


class Disclosures(Table):
    """Which document's text, or text made of it, was sent to which endpoint and model.

    Where nobody can tell which documents stand behind what was sent (a system's answer may repeat
    any of them), all are listed with their possible calls. Calls without an answer count, too, and
    so do those of earlier runs on the same data.
    """

    doc_id: str
    source_uri: str
    endpoint: str
    model_id: str
    stage: str
    n_calls: int = pa.Field(ge=0, description="calls that showed text of this document")
    n_possible_calls: int = pa.Field(ge=0, description="further calls that may have")
    is_loopback: bool = pa.Field(description="whether the endpoint is this machine")

    class Config:
        """One row for each."""

        unique = ["doc_id", "endpoint", "model_id", "stage"]
