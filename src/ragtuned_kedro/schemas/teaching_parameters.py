"""Parameters of the teacher: where it works, what it is asked, and what is assumed beforehand."""

from typing import Literal

from pydantic import Field

from ragtuned_kedro.schemas.parameters import Block


class EngineParams(Block):
    """Who does the work of a pipeline: the embedded engine or the teacher."""

    build_graph: Literal["embedded", "teacher"]
    write_reports: Literal["embedded", "teacher"]
    synthesize_qa: Literal["embedded", "teacher"]
    generate_questions: Literal["embedded", "teacher"]


class TeachingParams(Block):
    """What the teacher is asked, and how much of it; rooms are in completion tokens."""

    language: str = Field(min_length=1)
    n_gleanings: int = Field(ge=0)
    max_description_words: int = Field(ge=10)
    max_context_tokens: int = Field(ge=100, description="base-model tokens shown for a report")
    max_chunks_per_anchor: int = Field(ge=1)
    n_local: int = Field(ge=0)
    n_entities: int = Field(ge=0)
    n_relationships: int = Field(ge=0)
    n_reports: int = Field(ge=0)
    n_planted: int = Field(ge=0, description="claims of each kind that try the grounding gate")
    extraction_tokens: int = Field(ge=16)
    description_tokens: int = Field(ge=16)
    report_tokens: int = Field(ge=16)
    question_tokens: int = Field(ge=16)
    answer_tokens: int = Field(ge=16)
    grounding_tokens: int = Field(ge=16)
    seed: int = Field(ge=0)


class TeacherQuestionParams(Block):
    """Evaluation questions that the teacher writes; rooms are in completion tokens.

    Global ones are at most `n_personas` times `n_tasks` times `n_questions`.
    """

    n_personas: int = Field(ge=0, description="0 makes no global question")
    n_tasks: int = Field(ge=1, description="of each persona")
    n_questions: int = Field(ge=1, description="for each task")
    n_local: int = Field(ge=0, description="chunks that one question is made from")
    max_points: int = Field(ge=1, description="what an answer must contain, at most")
    list_tokens: int = Field(ge=16, description="for a description, personas, tasks, questions")
    point_tokens: int = Field(ge=16, description="for a local question, or the points of an answer")
    seed: int = Field(ge=0)


class EstimateParams(Block):
    """What an estimate assumes where the data is not known yet; pairs are least and most.

    `token_spread` widens counted prompts for another tokenizer; `reply_share` is how much of its
    room a reply takes; `unusable_share` how many replies are asked for again.
    """

    entities_per_chunk: tuple[float, float]
    relationships_per_chunk: tuple[float, float]
    described_share: tuple[float, float]
    entities_per_community: tuple[float, float]
    token_spread: tuple[float, float]
    reply_share: tuple[float, float]
    unusable_share: tuple[float, float]
