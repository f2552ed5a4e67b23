"""What a teacher replies: the shapes of its JSON; descriptions are shown to it."""

from typing import Annotated

from pydantic import Field

from ragtuned_kedro.schemas.records import Record

Words = Annotated[str, Field(min_length=1)]


class ExtractedEntity(Record):
    """A thing that a chunk names."""

    name: str = Field(min_length=1, description="as written in the document")
    type: str = Field(description="one of the types")
    description: str = Field(description="what the document says of it")


class ExtractedRelationship(Record):
    """Two of the named things and how they are connected."""

    source: str = Field(min_length=1, description="name of an entity")
    target: str = Field(min_length=1, description="name of another entity")
    description: str = Field(description="how they are connected")
    strength: float = Field(ge=1, le=10, description="1 loose to 10 close")


class Extraction(Record):
    """What one chunk says."""

    entities: tuple[ExtractedEntity, ...]
    relationships: tuple[ExtractedRelationship, ...]


class Description(Record):
    """Several descriptions made into one."""

    description: str = Field(min_length=1)


class Finding(Record):
    """One point of a report."""

    summary: str = Field(min_length=1)
    explanation: str = Field(min_length=1)


class Report(Record):
    """What there is to know of a community."""

    title: str = Field(min_length=1)
    summary: str = Field(min_length=1)
    rating: float = Field(ge=0, le=10, description="importance, 0 to 10")
    rating_reason: str
    findings: tuple[Finding, ...] = Field(min_length=1)


class Question(Record):
    """A question to a text, or the word that there is none."""

    can_ask: bool = Field(description="false if the document says nothing of it")
    question: str = Field(description="empty if can_ask is false")


class ReasonedAnswer(Record):
    """An answer thought through, with the words that it rests on."""

    reasoning: str = Field(description="which facts lead to the answer")
    answer: str = Field(min_length=1)
    quote: str = Field(min_length=1, description="copied letter by letter from a document")


class ReasonedPair(Record):
    """A question with its answer."""

    question: str = Field(min_length=1)
    reasoning: str = Field(description="which facts lead to the answer")
    answer: str = Field(min_length=1)
    quote: str = Field(min_length=1, description="copied letter by letter from a document")


class GroundingVerdict(Record):
    """Whether evidence supports an answer; a yes must show the words."""

    is_supported: bool
    quote: str = Field(description="the words of a document that support it, or empty")


class Persona(Record):
    """Somebody who would read the corpus."""

    name: str = Field(min_length=1, description="what they are, in a few words")
    description: str = Field(min_length=1, description="what they want")


class Personas(Record):
    """The readers of a corpus."""

    personas: tuple[Persona, ...] = Field(min_length=1)


class Tasks(Record):
    """What one reader uses the corpus for."""

    tasks: tuple[Words, ...] = Field(min_length=1)


class GlobalQuestions(Record):
    """What one reader asks for one task."""

    questions: tuple[Words, ...] = Field(min_length=1)


class AnswerPoints(Record):
    """What a good answer must contain."""

    points: tuple[Words, ...] = Field(min_length=1)


class FactQuestion(Record):
    """A question to one chunk and what its answer must contain, or the word that there is none."""

    can_ask: bool = Field(description="false if the document states no fact worth a question")
    question: str = Field(description="empty if can_ask is false")
    points: tuple[Words, ...] = Field(description="empty if can_ask is false")
