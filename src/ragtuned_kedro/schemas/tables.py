"""Every table of the project, as it lies on disk.

Laws for all of them: one row, one fact; ids are content hashes; links are tables, not lists;
offsets are characters, half-open; tokens are those of the base model's tokenizer.
"""

from typing import Annotated

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

Timestamp = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Table(pa.DataFrameModel):
    """What all tables share: exactly these columns, in this order."""

    class Config:
        """Unknown, missing or reordered columns are errors; types are coerced never."""

        strict = True
        ordered = True


def frame_of(table: type[Table], rows: list[dict]) -> pd.DataFrame:
    """Build a frame from `rows`, with the columns, order and types of `table`, and validate it.

    Raises:
        pandera.errors.SchemaError: If a row breaks a rule of the table.
    """
    schema = table.to_schema()
    frame = pd.DataFrame(rows, columns=list(schema.columns))
    frame = frame.astype({name: column.dtype.type for name, column in schema.columns.items()})
    return table.validate(frame)


class Rejections(Table):
    """One row per rejected item: inputs = accepted + rejected at every stage."""

    key: str = pa.Field(description="the item: a file, a row's id or a query's text")
    call_id: str = pa.Field(nullable=True, description="null if refused before a model was asked")
    reason: str
    detail: str


class ModelCalls(Table):
    """One row per call that a model answered; `key` is the row that the prompt was about.

    `outcome` says whether the reply was kept (valid) or why not; the text of a reply that was not
    kept is null, and so is a vector. `seconds` is wall time, waiting for limits left out.
    """

    call_id: str = pa.Field(unique=True, str_startswith="call-")
    stage: str
    key: str
    model_id: str
    endpoint: str
    request_sha: str = pa.Field(description="rendered prompt, model and sampling settings")
    attempt: int = pa.Field(ge=0)
    outcome: str = pa.Field(isin=["valid", "invalid", "length", "refused"])
    text: str = pa.Field(nullable=True)
    n_prompt_tokens: int = pa.Field(ge=0)
    n_completion_tokens: int = pa.Field(ge=0)
    seconds: float = pa.Field(ge=0)
    error: str = pa.Field(nullable=True)


class Sendings(Table):
    """One row per call that was sent, or was about to be: written before anything left.

    Whether an answer came does not matter. The columns are those of ModelCalls; the key of a text
    that was embedded is its `request_sha`.
    """

    request_sha: str
    attempt: int = pa.Field(ge=0)
    stage: str
    key: str
    model_id: str
    endpoint: str

    class Config:
        """One row for each."""

        unique = ["request_sha", "attempt", "stage", "key", "model_id", "endpoint"]


class GroundingCalibration(Table):
    """How far the grounding gate is to be trusted, measured on planted true and false claims."""

    metric: str = pa.Field(isin=["precision", "recall"])
    value: float = pa.Field(ge=0, le=1, nullable=True, description="null where nothing counts")
    n: int = pa.Field(ge=0)
    n_without_verdict: int = pa.Field(ge=0)
    meaning: str


class CallEstimates(Table):
    """What a stage will ask, before anything is asked: least and most of each amount."""

    stage: str = pa.Field(unique=True)
    model_id: str
    endpoint: str
    basis: str = pa.Field(isin=["counted", "assumed"], description="are the prompts known yet")
    calls_low: int = pa.Field(ge=0)
    calls_high: int = pa.Field(ge=0)
    prompt_tokens_low: int = pa.Field(ge=0)
    prompt_tokens_high: int = pa.Field(ge=0)
    completion_tokens_low: int = pa.Field(ge=0)
    completion_tokens_high: int = pa.Field(ge=0)
    money_low: float = pa.Field(ge=0)
    money_high: float = pa.Field(ge=0)
    currency: str


class Spendings(Table):
    """Estimate against actual, by stage; the estimate of an unforeseen stage is null."""

    stage: str = pa.Field(unique=True)
    n_calls: int = pa.Field(ge=0)
    n_unusable: int = pa.Field(ge=0, description="calls whose reply was not kept")
    n_prompt_tokens: int = pa.Field(ge=0)
    n_completion_tokens: int = pa.Field(ge=0)
    money: float = pa.Field(ge=0)
    calls_low: float = pa.Field(ge=0, nullable=True)
    calls_high: float = pa.Field(ge=0, nullable=True)
    prompt_tokens_low: float = pa.Field(ge=0, nullable=True)
    prompt_tokens_high: float = pa.Field(ge=0, nullable=True)
    completion_tokens_low: float = pa.Field(ge=0, nullable=True)
    completion_tokens_high: float = pa.Field(ge=0, nullable=True)
    money_low: float = pa.Field(ge=0, nullable=True)
    money_high: float = pa.Field(ge=0, nullable=True)
    currency: str


class Disclosures(Table):
    """Which document's text, or text made of it, was sent to which endpoint and model.

    Where nobody can tell which documents stand behind what was sent (a system's answer may repeat
    any of them), all are listed with their possible calls. Calls without an answer count, too, and
    so do those of earlier runs on the same data.
    """

    doc_id: str
    source_uri: str
    endpoint: str
    model_id: str
    stage: str
    n_calls: int = pa.Field(ge=0, description="calls that showed text of this document")
    n_possible_calls: int = pa.Field(ge=0, description="further calls that may have")
    is_loopback: bool = pa.Field(description="whether the endpoint is this machine")

    class Config:
        """One row for each."""

        unique = ["doc_id", "endpoint", "model_id", "stage"]


class Ledger(Table):
    """What became of every input of a stage: n of one unit kind that met one outcome."""

    stage: str
    unit_kind: str
    outcome: str = pa.Field(description="`accepted` or the named cause of the loss")
    n: int = pa.Field(ge=0)


class Documents(Table):
    """One row per document; chunk and sentence offsets refer to `text`."""

    doc_id: str = pa.Field(unique=True, str_startswith="doc-")
    source_uri: str = pa.Field(unique=True)
    title: str
    text: str = pa.Field(str_length={"min_value": 1})
    author: str = pa.Field(nullable=True)
    category: str = pa.Field(nullable=True)
    published_at: Series[Timestamp] = pa.Field(nullable=True)
    n_chars: int = pa.Field(ge=1)
    n_tokens: int = pa.Field(ge=1)


class Chunks(Table):
    """One row per token window; offsets are characters, half-open, into Documents.text."""

    chunk_id: str = pa.Field(unique=True, str_startswith="chunk-")
    doc_id: str
    position: int = pa.Field(ge=0)
    start_char: int = pa.Field(ge=0)
    end_char: int = pa.Field(ge=1)
    text: str = pa.Field(str_length={"min_value": 1})
    n_tokens: int = pa.Field(ge=1)

    class Config:
        """A position occurs once per document."""

        unique = ["doc_id", "position"]

    @pa.dataframe_check(error="span length equals text length")
    def span_matches_text(cls, frame: pd.DataFrame) -> pd.Series:
        """Offsets must describe exactly the text they sit beside."""
        return (frame["end_char"] - frame["start_char"]) == frame["text"].str.len()


class Sentences(Table):
    """One row per sentence; `chunk_id` is the chunk that holds most of it.

    `statement` is the sentence made to stand alone: full names in place of short ones and of
    pronouns wherever it is certain whom they mean.
    """

    sentence_id: str = pa.Field(unique=True, str_startswith="sent-")
    doc_id: str
    chunk_id: str
    position: int = pa.Field(ge=0)
    start_char: int = pa.Field(ge=0)
    end_char: int = pa.Field(ge=1)
    text: str = pa.Field(str_length={"min_value": 1})
    statement: str = pa.Field(str_length={"min_value": 1})

    class Config:
        """A position occurs once per document."""

        unique = ["doc_id", "position"]


class EntityMentions(Table):
    """One row per occurrence of an entity in a sentence; offsets are into Documents.text."""

    mention_id: str = pa.Field(unique=True, str_startswith="emen-")
    chunk_id: str
    sentence_id: str
    start_char: int = pa.Field(ge=0)
    end_char: int = pa.Field(ge=1)
    surface: str = pa.Field(description="as written")
    name: str = pa.Field(description="normalised: one spelling per entity")
    type: str
    description: str = pa.Field(description="what this mention says of the entity")
    glean: int = pa.Field(ge=0)
    call_id: str = pa.Field(nullable=True)


class RelationshipMentions(Table):
    """One row per pair of entities that one sentence relates."""

    mention_id: str = pa.Field(unique=True, str_startswith="rmen-")
    chunk_id: str
    sentence_id: str
    source_name: str
    target_name: str
    description: str
    strength: float = pa.Field(ge=1, le=10)
    glean: int = pa.Field(ge=0)
    call_id: str = pa.Field(nullable=True)


class Entities(Table):
    """One row per entity, merged over its mentions."""

    entity_id: str = pa.Field(unique=True, str_startswith="ent-")
    name: str = pa.Field(unique=True)
    type: str
    description: str
    n_mentions: int = pa.Field(ge=1)
    n_chunks: int = pa.Field(ge=1)
    degree: int = pa.Field(ge=0)
    call_id: str = pa.Field(nullable=True)


class Relationships(Table):
    """One row per pair of entities; undirected, so source_id < target_id."""

    relationship_id: str = pa.Field(unique=True, str_startswith="rel-")
    source_id: str
    target_id: str
    description: str
    weight: float = pa.Field(gt=0, description="sum of the mentions' strengths")
    n_mentions: int = pa.Field(ge=1)
    call_id: str = pa.Field(nullable=True)

    class Config:
        """A pair occurs once."""

        unique = ["source_id", "target_id"]

    @pa.dataframe_check(error="source_id < target_id")
    def ends_are_sorted(cls, frame: pd.DataFrame) -> pd.Series:
        """One order for each pair, and no loops."""
        return frame["source_id"] < frame["target_id"]


class EntityChunks(Table):
    """Provenance: which chunks mention which entity."""

    entity_id: str
    chunk_id: str
    n_mentions: int = pa.Field(ge=1)

    class Config:
        """A pair occurs once."""

        unique = ["entity_id", "chunk_id"]


class RelationshipChunks(Table):
    """Provenance: which chunks state which relationship."""

    relationship_id: str
    chunk_id: str
    n_mentions: int = pa.Field(ge=1)

    class Config:
        """A pair occurs once."""

        unique = ["relationship_id", "chunk_id"]


class Communities(Table):
    """One row per community; level 0 is the coarsest, a child is one level deeper."""

    community_id: str = pa.Field(unique=True, str_startswith="comm-")
    level: int = pa.Field(ge=0)
    parent_id: str = pa.Field(nullable=True)
    n_entities: int = pa.Field(ge=1)
    n_relationships: int = pa.Field(ge=0)
    n_chunks: int = pa.Field(ge=1)
    is_leaf: bool

    @pa.dataframe_check(error="parent_id is null exactly at level 0")
    def roots_have_no_parent(cls, frame: pd.DataFrame) -> pd.Series:
        """Only the coarsest level has no parent."""
        return frame["parent_id"].isna() == (frame["level"] == 0)


class CommunityMembers(Table):
    """One home per entity and level."""

    community_id: str
    level: int = pa.Field(ge=0)
    entity_id: str

    class Config:
        """An entity has one home per level."""

        unique = ["level", "entity_id"]


class CommunityReports(Table):
    """One report per community."""

    community_id: str = pa.Field(unique=True)
    title: str
    summary: str
    rating: float = pa.Field(ge=0, le=10, description="importance, 0 to 10")
    rating_reason: str
    text: str = pa.Field(str_length={"min_value": 1})
    n_tokens: int = pa.Field(ge=1)
    context_source: str = pa.Field(isin=["members", "members_trimmed", "child_reports"])
    call_id: str = pa.Field(nullable=True)


class ReportFindings(Table):
    """The points of a report, in order; the evidence of a finding is one sentence."""

    community_id: str
    position: int = pa.Field(ge=0)
    summary: str
    explanation: str
    sentence_id: str = pa.Field(nullable=True)

    class Config:
        """A position occurs once per report."""

        unique = ["community_id", "position"]


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


class EvaluationQueries(Table):
    """One row per evaluation question, by hand or the user's own."""

    query_id: str = pa.Field(unique=True, str_startswith="equery-")
    scope: str = pa.Field(isin=["local", "linked", "global", "unanswerable"])
    persona: str = pa.Field(nullable=True)
    task: str = pa.Field(nullable=True)
    text: str = pa.Field(unique=True)
    reference: str = pa.Field(nullable=True)
    n_evidence: int = pa.Field(ge=0, description="documents that state the fact")
    call_id: str = pa.Field(nullable=True)


class Assertions(Table):
    """What a right answer must contain; `aliases` is a JSON list of other spellings that count."""

    query_id: str
    position: int = pa.Field(ge=0)
    text: str
    aliases: str = pa.Field(nullable=True)

    class Config:
        """A position occurs once per query."""

        unique = ["query_id", "position"]


class QueryEvidence(Table):
    """Which documents state what a query asks for, as named by whoever wrote the query."""

    query_id: str
    source_uri: str


class TrainingLog(Table):
    """One row per logged optimizer step or validation pass."""

    step: int = pa.Field(ge=0)
    epoch: float = pa.Field(ge=0)
    split: str = pa.Field(isin=["train", "validation"])
    loss: float
    learning_rate: float
    grad_norm: float = pa.Field(nullable=True)
    target_tokens_seen: int = pa.Field(ge=0)
    seconds: float = pa.Field(ge=0)
    peak_memory_bytes: int = pa.Field(ge=0)


class Answers(Table):
    """One row per query, system and sample; an error is a row, never a gap.

    Tokens and seconds hold all that the system spent on the query: retrieval, partial answers and
    the answer itself, not its index. Seconds are those of the batch divided by its size.
    """

    query_id: str
    system: str
    sample: int = pa.Field(ge=0)
    text: str
    finish_reason: str = pa.Field(isin=["stop", "length", "error"])
    n_prompt_tokens: int = pa.Field(ge=0)
    n_completion_tokens: int = pa.Field(ge=0)
    first_token_seconds: float = pa.Field(
        ge=0, nullable=True, description="until the answer's first token; null where unmeasured"
    )
    seconds: float = pa.Field(ge=0)
    peak_memory_bytes: int = pa.Field(
        ge=0, description="most the process, or the GPU, held meanwhile; 0 where unmeasured"
    )
    error: str = pa.Field(nullable=True)

    class Config:
        """One answer for each."""

        unique = ["query_id", "system", "sample"]


class Retrievals(Table):
    """What a system fetched for a query, in its order, and whether the answer was made from it.

    Scores compare within one query and unit kind; a system that ranks nothing has none. A query
    for which nothing was fetched has no row.
    """

    query_id: str
    system: str
    position: int = pa.Field(ge=0)
    unit_kind: str = pa.Field(
        isin=["document", "chunk", "sentence", "entity", "relationship", "report"]
    )
    unit_id: str
    score: float = pa.Field(nullable=True)
    n_tokens: int = pa.Field(ge=0, description="of the text that stands, or would, in the prompt")
    is_used: bool

    class Config:
        """A position occurs once per query and system."""

        unique = ["query_id", "system", "position"]


class IndexCosts(Table):
    """What a system prepared before the first question, and what that took when it was made."""

    unit_kind: str = pa.Field(unique=True)
    n_units: int = pa.Field(ge=0)
    n_tokens: int = pa.Field(ge=0, description="tokens indexed")
    n_bytes: int = pa.Field(ge=0, description="on disk")
    seconds: float = pa.Field(ge=0)


class QueryScores(Table):
    """How one answer fared; `score` is the share of its query's assertions that hold.

    For an unanswerable query the score is 1 when the system says that it does not know.
    """

    query_id: str
    system: str
    sample: int = pa.Field(ge=0)
    scope: str
    n_assertions: int = pa.Field(ge=0)
    n_held: int = pa.Field(ge=0)
    is_abstention: bool
    score: float = pa.Field(ge=0, le=1)

    class Config:
        """One score for each answer."""

        unique = ["query_id", "system", "sample"]


class AnswerOverlaps(Table):
    """How close the wording of an answer comes to its query's reference.

    Where nobody wrote a reference it is the query's assertions, read one after the other. An
    unanswerable query has neither, so its measures are null; a failed answer scores 0.
    """

    query_id: str
    system: str
    sample: int = pa.Field(ge=0)
    reference_source: str = pa.Field(nullable=True, isin=["reference", "assertions"])
    token_f1: float = pa.Field(ge=0, le=1, nullable=True)
    rouge_l: float = pa.Field(ge=0, le=1, nullable=True, description="F-measure")
    similarity: float = pa.Field(
        ge=-1, le=1, nullable=True, description="cosine of sentence embeddings"
    )

    class Config:
        """One row for each answer."""

        unique = ["query_id", "system", "sample"]


class Judgements(Table):
    """What a judge said of two answers by one criterion, with the candidate in one seat."""

    query_id: str
    criterion: str
    candidate: str
    baseline: str
    candidate_seat: str = pa.Field(isin=["first", "second"])
    trial: int = pa.Field(ge=0)
    winner_seat: str = pa.Field(isin=["first", "second", "tie"])
    reason: str
    call_id: str

    class Config:
        """One judgement for each."""

        unique = ["query_id", "criterion", "candidate", "baseline", "candidate_seat", "trial"]


class JudgeChecks(Table):
    """How the judge fared on pairs of answers whose right verdict is known.

    `identical` must tie, `planted` (a wrong answer) must lose, `padded` must not win; the other
    answer of each pair is the reference. `winner` is null where a seat gave no usable reply.
    """

    check: str = pa.Field(isin=["identical", "planted", "padded"])
    query_id: str
    criterion: str
    trial: int = pa.Field(ge=0)
    winner: str = pa.Field(isin=["candidate", "baseline", "tie"], nullable=True)
    is_right: bool = pa.Field(description="false where there is no verdict")

    class Config:
        """One outcome for each."""

        unique = ["check", "query_id", "criterion", "trial"]


class Verdicts(Table):
    """Which of two systems answered a query better, by one criterion."""

    query_id: str
    criterion: str
    candidate: str
    baseline: str
    trial: int = pa.Field(ge=0)
    winner: str = pa.Field(isin=["candidate", "baseline", "tie"])
    seats_agree: bool = pa.Field(description="true where no judge with seats was asked")

    class Config:
        """One verdict for each."""

        unique = ["query_id", "criterion", "candidate", "baseline", "trial"]


class Metrics(Table):
    """Tidy metrics: one value with its n and interval per row."""

    metric: str
    system: str
    baseline: str = pa.Field(nullable=True)
    query_set: str
    scope: str = pa.Field(nullable=True)
    criterion: str = pa.Field(nullable=True)
    value: float
    ci_low: float = pa.Field(nullable=True)
    ci_high: float = pa.Field(nullable=True)
    p_holm: float = pa.Field(
        ge=0, le=1, nullable=True, description="p-value after Holm's correction, of a comparison"
    )
    n: int = pa.Field(ge=1)
    n_missing: int = pa.Field(ge=0)
    method: str = pa.Field(isin=["bootstrap", "wilson", "none"])
    higher_is_better: bool


class RunningCosts(Table):
    """What a system costs before its first answer and with each one, in seconds of wall time.

    `break_even_questions` is the number of questions from which on the tuned model has cost less
    in all than this system; null where it never does. 0 where it does from the start.
    """

    system: str = pa.Field(unique=True)
    index_seconds: float = pa.Field(ge=0, description="all that has to run before it can answer")
    answer_seconds: float = pa.Field(ge=0, description="mean per answer")
    n: int = pa.Field(ge=1, description="answers that the mean is over")
    break_even_questions: float = pa.Field(ge=0, nullable=True)


class StageRows(Table):
    """How many rows a dataset holds, in the order in which data walks through the stages."""

    stage: str = pa.Field(description="the pipeline that makes the dataset")
    dataset: str = pa.Field(unique=True)
    n_rows: int = pa.Field(ge=0)
