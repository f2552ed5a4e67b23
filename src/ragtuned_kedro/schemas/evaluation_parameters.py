"""Parameters of the evaluation: its questions, measures and judge, and what a challenger owes."""

from typing import Literal

from pydantic import Field

from ragtuned_kedro.schemas.parameters import Block, Share


class GenerationParams(Block):
    """Evaluation questions made from the graph, beside those that people wrote."""

    n_per_scope: int = Field(ge=0, description="0 makes none")
    decontamination_similarity: float = Share
    seed: int = Field(ge=0)


class ScoringParams(Block):
    """How answers become metrics."""

    abstention_phrases: tuple[str, ...] = Field(min_length=1)
    n_bootstrap: int = Field(ge=100)
    confidence: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0)


class JudgingParams(Block):
    """How a judge compares the tuned model with the other systems; nothing is asked if not on."""

    is_on: bool
    scopes: tuple[Literal["local", "linked", "global"], ...] = Field(min_length=1)
    n_per_scope: int = Field(ge=1, description="questions judged per scope, the same for all pairs")
    n_trials: int = Field(ge=1, description="each in both seats, beginning with another criterion")
    n_checks: int = Field(ge=1, description="questions with a reference that try the judge itself")
    max_answer_words: int = Field(ge=10, description="longer answers are cut, both alike")
    max_evidence_words: int = Field(ge=10)
    max_new_tokens: int = Field(ge=64, description="room for one reply")
    seed: int = Field(ge=0)


class RegistryParams(Block):
    """Where the adapter is registered in MLflow."""

    model_name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    min_gain: float = Field(ge=0, description="local recall a challenger must win by")
