"""Records that are not table rows: chats, training examples, what goes to and from a model."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """What all records share: immutable and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Record):
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class TrainingExample(Record):
    """One chat to train on; it ends with the assistant's answer, the only part that is a target.

    `n_tokens` and `n_target_tokens` are of the base model's tokenizer and chat template. Where
    they are fewer than the chat has, only the opening of the answer is trained on.
    """

    example_id: str
    qa_id: str
    split: Literal["train", "validation"]
    messages: tuple[Message, ...] = Field(min_length=2)
    n_tokens: int = Field(ge=2)
    n_target_tokens: int = Field(ge=1)


class EvaluationAssertion(Record):
    """A short text that decides correctness, and other spellings of it that count."""

    text: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()


class EvaluationQuestion(Record):
    """One line of a question file."""

    scope: Literal["local", "linked", "global", "unanswerable"]
    text: str = Field(min_length=1)
    reference: str | None = None
    assertions: tuple[EvaluationAssertion, ...] = ()
    evidence: tuple[str, ...] = ()
    persona: str | None = None
    task: str | None = None


class AdapterCard(Record):
    """What a reader of an adapter folder needs to know to reproduce and to serve it."""

    adapter_id: str
    base_model_id: str
    base_model_revision: str
    lora_rank: int
    lora_alpha: int
    lora_dropout: float
    target_modules: tuple[str, ...]
    first_layer: int
    quantization: str = Field(description="nf4, nf4+double or none")
    compute_dtype: str
    seed: int
    epochs: float
    n_examples: int
    n_target_tokens: int
    training_examples_sha: str
    final_train_loss: float | None
    final_validation_loss: float | None
    reader_id: str | None = Field(
        default=None, description="the adapter of the reader that lies beside it, null for none"
    )


@dataclass(frozen=True)
class Prompt:
    """What a model is asked; `key` says for which row."""

    key: str
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Completion:
    """What a model replied to the prompt of the same key.

    `finish_reason` is stop, length or error; `seconds` is the wall time of the batch divided by
    its size, `first_token_seconds` that until the first token; `error` is null unless the call
    failed. `n_completion_tokens` counts what was decoded on the way to the answer, too.
    `peak_memory_bytes` is the most that the process (the GPU, on one) held meanwhile, 0
    where nobody measured.
    """

    key: str
    text: str
    finish_reason: Literal["stop", "length", "error"]
    n_prompt_tokens: int
    n_completion_tokens: int
    seconds: float
    error: str | None = None
    first_token_seconds: float | None = None
    peak_memory_bytes: int = 0


@dataclass(frozen=True)
class BaseModelFolder:
    """A base model on disk: safetensors, config and tokenizer.

    `model_id` is what the user named (a package, a hub id or a folder's name), `revision` a
    content hash of the weights.
    """

    path: str
    model_id: str
    revision: str
