"""Parameters of the training questions, and of the chats they become."""

from pydantic import Field, model_validator

from ragtuned_kedro.schemas.parameters import Block, Share


class SynthesisParams(Block):
    """How many questions of which kind are made, and which are refused."""

    n_pairs: int = Field(ge=1)
    mix: dict[str, float]
    max_answer_tokens: int = Field(ge=8)
    near_duplicate_similarity: float = Share
    decontamination_similarity: float = Share
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _mix_is_a_distribution(self) -> "SynthesisParams":
        total = sum(self.mix.values())
        if abs(total - 1) > 1e-6 or min(self.mix.values()) < 0:
            raise ValueError(f"the shares of mix must be at least 0 and sum to 1, not {total:g}")
        return self


class ExampleParams(Block):
    """How pairs become chats; `max_tokens` counts the whole chat in base-model tokens.

    Of `opening_share` of the answers only the first `opening_tokens` are trained on.
    """

    system_prompt: str
    validation_share: float = Share
    opening_share: float = Share
    opening_tokens: int = Field(ge=1)
    max_tokens: int = Field(ge=16)
    seed: int = Field(ge=0)


class ReadingQuestionParams(Block):
    """What a reader is taught with: so many questions of each sort in one example of a passage.

    `n_rounds` of 0 teaches no reader; the base model then reads as it is.
    """

    n_rounds: int = Field(ge=0, description="examples of each passage, if it has questions enough")
    n_told: int = Field(ge=1, description="questions that the passage answers")
    n_untold: int = Field(ge=0, description="about what the passage itself leaves open")
    n_elsewhere: int = Field(ge=0, description="questions that passages like it answer")
    seed: int = Field(ge=0)
