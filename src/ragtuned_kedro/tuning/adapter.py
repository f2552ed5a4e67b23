"""The LoRA adapter: attached to a base model, and written as a PEFT folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file

from ragtuned_kedro.language_models.weights import linear_module_names, quiet_transformers


@dataclass(frozen=True)
class LoraShape:
    """Which layers carry how large an adapter.

    Layers below `first_layer` carry none, so no gradient has to travel through them.
    """

    lora_rank: int
    lora_alpha: int
    lora_dropout: float
    target_modules: Literal["all-linear"] | tuple[str, ...]
    first_layer: int = 0


def attach_adapter(model: Any, lora: LoraShape, seed: int) -> Any:
    """Put a fresh LoRA adapter (Hu et al., arXiv 2106.09685) onto the frozen `model`."""
    # PEFT takes two seconds to import, and a run in which nothing changed needs none of it.
    from peft import LoraConfig, get_peft_model

    from ragtuned_kedro.tuning.layers import speed_up

    names = lora.target_modules
    if names == "all-linear":
        names = linear_module_names(model)
    n_layers = model.config.get_text_config().num_hidden_layers
    torch.manual_seed(seed)
    config = LoraConfig(
        r=lora.lora_rank,
        lora_alpha=lora.lora_alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=list(names),
        layers_to_transform=list(range(lora.first_layer, n_layers)) if lora.first_layer else None,
        task_type="CAUSAL_LM",
    )
    with quiet_transformers():
        tuned = get_peft_model(model, config)
    tuned.train()
    if tuned.device.type == "cpu":
        speed_up(tuned)
    return tuned


def adapter_tensors(model: Any) -> dict[str, torch.Tensor]:
    """Collect the adapter's weights under PEFT's names, sorted."""
    from peft import get_peft_model_state_dict

    tensors = get_peft_model_state_dict(model)
    return {name: tensors[name].detach().contiguous().cpu() for name in sorted(tensors)}


def write_adapter(model: Any, folder: Path, *, base_model_id: str) -> None:
    """Write a folder that PEFT reads; the same weights give the same bytes."""
    folder.mkdir(parents=True)
    save_file(adapter_tensors(model), folder / "adapter_model.safetensors", {"format": "pt"})
    config = model.peft_config["default"].to_dict()
    config = {name: sorted(one) if isinstance(one, set) else one for name, one in config.items()}
    # A path would tie the adapter to this machine.
    config |= {"base_model_name_or_path": base_model_id, "inference_mode": True}
    text = json.dumps(config, indent=2, sort_keys=True, default=str)
    (folder / "adapter_config.json").write_text(text + "\n")
