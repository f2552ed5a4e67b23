"""Parameter blocks: typed, closed, complete. Defaults live in conf/base/parameters_*.yml only."""

from pydantic import BaseModel, ConfigDict, Field

Share = Field(ge=0, le=1)


class Block(BaseModel):
    """What all blocks share: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
