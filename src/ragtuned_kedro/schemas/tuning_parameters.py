"""Parameters of tuning: the frozen weights, the adapter and the schedule."""

from typing import Literal

from pydantic import Field

from ragtuned_kedro.schemas.parameters import Block, Share


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
