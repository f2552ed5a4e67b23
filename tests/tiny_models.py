"""Models of random weights, small enough to be made anew by every test."""

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

N_TOKENS = 90


def tiny_model(kind: str, dtype: torch.dtype, **changes: Any) -> Any:
    """Make a frozen model of `kind`, the same one each time; `changes` are of its configuration."""
    torch.manual_seed(3)
    shape = {
        "vocab_size": N_TOKENS,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
    }
    config = AutoConfig.for_model(kind, **(shape | changes))
    return AutoModelForCausalLM.from_config(config).to(dtype).requires_grad_(False)
