"""Parameters of the systems that answer."""

from typing import Literal

from pydantic import Field, model_validator

from ragtuned_kedro.schemas.model_parameters import EncoderParams, OtherModelParams
from ragtuned_kedro.schemas.parameters import Block, Share


class AnsweringParams(Block):
    """How a system answers; greedy, so that the same question gets the same answer.

    `abstention` is what a system says that has found no evidence, without asking its model.
    """

    max_new_tokens: int = Field(ge=1)
    abstention: str = Field(min_length=1)
    batch_size: int = Field(ge=1)
    device: Literal["auto", "cpu", "cuda"]


class RecallParams(Block):
    """How the tuned model remembers; `n_recalled` of 1 says the first thing that comes to mind.

    With `keeps_to_taught_openings` it recalls nothing that begins as no answer in training did. It
    refuses when its refusal, told by its opening, has at least `abstention_probability`; with
    `asks_with_fewer_words` also where it has that after the question without one of its words, and
    with `refuses_unknown_names` where a name of the question stands in nothing that it recalls.
    """

    n_recalled: int = Field(ge=1, description="passages recalled and read per question")
    opening_tokens: int = Field(ge=1, description="tokens by which passages are told apart")
    keeps_to_taught_openings: bool
    n_variants: int = Field(ge=1, description="passages recited of those that begin alike")
    fork_probability: float = Field(
        gt=0, le=1, description="of a second token, from which on it is recited as well"
    )
    n_read: int = Field(ge=1, description="best passages whose sentences are read one by one")
    opening_weight: float = Field(
        ge=0, description="of how likely a passage is recalled, beside how well it answers"
    )
    told_weight: float = Field(
        ge=0, description="of whether a passage tells the answer, as a taught reader thinks"
    )
    sentence_told_weight: float = Field(ge=0, description="the same of a sentence alone")
    abstention_probability: float = Field(gt=0, le=1)
    asks_with_fewer_words: bool
    refuses_unknown_names: bool


class ComparedQuestionsParams(Block):
    """Which evaluation questions the systems besides the base and the tuned model are asked."""

    n_questions: int | None = Field(ge=1, description="null asks all of them")
    seed: int = Field(ge=0)


class RetrievalParams(Block):
    """Chunks by words and by meaning; `reranker` is a cross-encoder, null for none."""

    n_fetched: int = Field(ge=1, description="chunks fetched, and reranked where there is one")
    n_chunks: int = Field(ge=1, description="best chunks to answer from")
    n_sentences: int | None = Field(
        ge=1, description="nearest sentences of those chunks; null takes the chunks whole"
    )
    evidence_tokens: int = Field(ge=1, description="and no more tokens than this")
    min_likeness: float = Field(
        ge=-1, le=1, description="of the nearest sentence (a cosine); below it nothing is answered"
    )
    reranker: EncoderParams | None


class VanillaRagParams(RetrievalParams):
    """Retrieval, and the model that answers from it where that is not the base model."""

    model: OtherModelParams | None


class GraphLocalParams(Block):
    """The neighbourhood of a query's entities; shares are of `evidence_tokens`.

    Relationships get what the shares leave.
    """

    model: OtherModelParams | None
    n_entities: int = Field(ge=1)
    n_relationships: int = Field(ge=0, description="best relationships between or of them")
    n_chunks: int = Field(ge=1, description="best chunks about them")
    n_sentences: int | None = Field(ge=1, description="as for vanilla RAG")
    evidence_tokens: int = Field(ge=1)
    min_likeness: float = Field(ge=-1, le=1, description="as for vanilla RAG")
    report_share: float = Share
    entity_share: float = Share
    chunk_share: float = Share

    @model_validator(mode="after")
    def _leave_room(self) -> "GraphLocalParams":
        total = self.report_share + self.entity_share + self.chunk_share
        if total > 1:
            raise ValueError(
                f"report_share, entity_share and chunk_share sum to {total:g}, above 1"
            )
        return self


class GraphGlobalParams(Block):
    """Map-reduce over the reports of one level; a level deeper than the deepest is the deepest."""

    model: OtherModelParams | None
    level: int = Field(ge=0)
    n_reports: int | None = Field(ge=1, description="closest to the query; null maps all of them")
    n_findings: int | None = Field(
        ge=1, description="nearest findings of each; null shows the reports whole"
    )
    map_tokens: int = Field(ge=1, description="reports in one map prompt")
    map_new_tokens: int = Field(ge=1, description="length of one partial answer")
    reduce_tokens: int = Field(ge=1, description="partial answers in the reduce prompt")


class LongContextParams(Block):
    """Documents in their order; `max_tokens` bounds them where the model's window is longer."""

    model: OtherModelParams | None
    max_tokens: int | None = Field(ge=1)
    batch_size: int = Field(ge=1)
