"""Parameters of models behind an endpoint: where, how often and for how much they are asked."""

from typing import Literal

from pydantic import Field

from ragtuned_kedro.schemas.parameters import Block


class SamplingParams(Block):
    """How an endpoint's model chooses tokens; part of what names a completion in the store."""

    temperature: float = Field(ge=0, le=2)
    top_p: float = Field(gt=0, le=1)
    seed: int | None = Field(description="null sends none; some servers ignore it")


class LimitParams(Block):
    """What an endpoint may be asked at once and per minute, and when to stop waiting for it.

    `total_timeout_seconds` bounds when the last try of one prompt may begin, counted from when it
    was first to be sent: no back-off goes beyond it. That try may take `call_timeout_seconds`,
    after waiting for the rates and for a pause of all. An endpoint that asks to be left alone for
    longer stops the run. It is dead when `dead_after_failures` calls in a row failed and none
    succeeded for `dead_after_seconds`.
    """

    concurrency: int = Field(ge=1)
    requests_per_minute: float | None = Field(gt=0, description="null is no limit")
    tokens_per_minute: float | None = Field(gt=0, description="prompt and completion; null: none")
    call_timeout_seconds: float = Field(gt=0)
    total_timeout_seconds: float = Field(gt=0)
    first_backoff_seconds: float = Field(gt=0)
    max_backoff_seconds: float = Field(gt=0)
    dead_after_failures: int = Field(ge=1)
    dead_after_seconds: float = Field(ge=0)


class ReplyParams(Block):
    """How often an unusable reply is asked for again, and up to how many completion tokens."""

    max_attempts: int = Field(ge=1)
    max_new_tokens: int = Field(ge=16, description="most room that a cut reply is given")


class SpendingParams(Block):
    """Prices per million tokens in `currency`, and the most that all runs together may spend."""

    currency: str = Field(min_length=1)
    prompt_price: float = Field(ge=0)
    completion_price: float = Field(ge=0)
    max_calls: int | None = Field(ge=0)
    max_tokens: int | None = Field(ge=0)
    max_money: float | None = Field(ge=0)


class AddressParams(Block):
    """A model behind an OpenAI-compatible HTTP endpoint, in one role.

    `egress` is local_only (loopback addresses only) or any.
    """

    url: str = Field(pattern=r"^https?://[^@\s]+$", description="no user or password in it")
    model: str = Field(min_length=1)
    egress: Literal["local_only", "any"]
    limits: LimitParams
    spending: SpendingParams


class EndpointParams(AddressParams):
    """A language model that chats: the teacher, the judge."""

    sampling: SamplingParams
    replies: ReplyParams


class EmbeddingParams(AddressParams):
    """A model that embeds; a call of `spending.max_calls` is one text."""

    dimensions: int | None = Field(ge=1, description="null: as many as the model has")
    batch_size: int = Field(ge=1, description="texts in one request")
