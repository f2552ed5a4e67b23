"""What a judge replies: one verdict per criterion, on answers known only by where they stand."""

from typing import Any, Literal

from pydantic import Field, field_validator

from ragtuned_kedro.schemas.records import Record


class CriterionVerdict(Record):
    """Which of two answers is better by one criterion, and why."""

    reason: str = Field(description="at most twenty words")
    winner: Literal["first", "second", "tie"]

    @field_validator("winner", mode="before")
    @classmethod
    def _in_lower_case(cls, value: Any) -> Any:
        return value.strip().casefold() if isinstance(value, str) else value


class PairVerdict(Record):
    """The criteria of the RAG-Tuned-LLM paper (arXiv 2503.16071), each judged by itself."""

    usefulness: CriterionVerdict
    richness: CriterionVerdict
    insight: CriterionVerdict
    user_friendliness: CriterionVerdict


# What each criterion asks, as the judge reads it.
CRITERIA = {
    "usefulness": "it is correct by the evidence and answers what was asked",
    "richness": "it covers the different sides of what was asked that the evidence supports",
    "insight": "it shows an understanding of how things hang together, beyond repeating them",
    "user_friendliness": "it is clear, well ordered and no longer than it has to be",
}
