"""Tables of the training questions, their answers, and what is known of the gate between."""

import pandera.pandas as pa

from ragtuned_kedro.schemas.tables import Table


class TrainingQueries(Table):
    """One row per training question; its text is unique after normalising."""

    query_id: str = pa.Field(unique=True, str_startswith="query-")
    kind: str = pa.Field(description="which generator asked: see synthesis")
    scope: str = pa.Field(isin=["local", "linked", "global", "unanswerable"])
    anchor_kind: str = pa.Field(isin=["sentence", "entity", "relationship", "community", "none"])
    anchor_id: str
    origin: str = pa.Field(isin=["template", "model"])
    text: str = pa.Field(unique=True)
    call_id: str = pa.Field(nullable=True)


class QaPairs(Table):
    """One row per accepted question and answer."""

    qa_id: str = pa.Field(unique=True, str_startswith="qa-")
    query_id: str = pa.Field(unique=True)
    reasoning: str
    answer: str = pa.Field(str_length={"min_value": 1})
    n_answer_tokens: int = pa.Field(ge=1)
    call_id: str = pa.Field(nullable=True)


class QaEvidence(Table):
    """What an answer rests on; an unanswerable question's answer rests on nothing."""

    qa_id: str
    chunk_id: str
    sentence_id: str
    position: int = pa.Field(ge=0)

    class Config:
        """A position occurs once per pair."""

        unique = ["qa_id", "position"]


class GroundingCalibration(Table):
    """How far the grounding gate is to be trusted, measured on planted true and false claims."""

    metric: str = pa.Field(isin=["precision", "recall"])
    value: float = pa.Field(ge=0, le=1, nullable=True, description="null where nothing counts")
    n: int = pa.Field(ge=0)
    n_without_verdict: int = pa.Field(ge=0)
    meaning: str


class ReadingQuestions(Table):
    """One row per question that a reader is asked about a passage; examples ask several at once."""

    example_id: str = pa.Field(str_startswith="reading-")
    position: int = pa.Field(ge=0)
    passage: str = pa.Field(str_length={"min_value": 1})
    kind: str = pa.Field(
        isin=[
            "local",
            "entity_description",
            "attribute",
            "circumstance",
            "detail",
            "elsewhere",
        ],
        description="the generator that asked, as in TrainingQueries, or what is left open",
    )
    text: str = pa.Field(str_length={"min_value": 1})
    is_told: bool

    class Config:
        """A position occurs once per example, a question once per passage."""

        unique = ["example_id", "position"]
