"""Tables of the evaluation: questions asked, and how their answers fared and compare."""

import pandera.pandas as pa

from ragtuned_kedro.schemas.tables import Table


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
