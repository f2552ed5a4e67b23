"""The LoRA adapter: attached to a base model, and written as a PEFT folder."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from peft.tuners.lora import Linear as LoraLinear
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
    if lora.lora_dropout == 0:
        _fuse_linear_layers(tuned)
    return tuned


def adapter_tensors(model: Any) -> dict[str, torch.Tensor]:
    """Collect the adapter's weights under PEFT's names, sorted."""
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


class _FusedLora(torch.autograd.Function):
    """y = x Wᵀ + s (x Aᵀ) Bᵀ with x (tokens, in), W (out, in), A (r, in), B (out, r).

    PEFT's own layer scales and adds in passes of their own over y, on a CPU five to ten percent of
    a training step; here the second product accumulates into the first.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, a: Any, b: Any, scale: float) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        low = rows @ a.t()
        y = (rows @ weight.t()).addmm_(low, b.t(), alpha=scale)
        ctx.save_for_backward(rows, weight, a, b, low)
        ctx.scale, ctx.shape = scale, x.shape
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        rows, weight, a, b, low = ctx.saved_tensors
        grad = gradients[0].reshape(-1, gradients[0].shape[-1])
        grad_low = (grad @ b).mul_(ctx.scale)
        grad_b = (grad.t() @ low).mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight).addmm_(grad_low, a).view(ctx.shape)
        return grad_x, None, grad_low.t() @ rows, grad_b, None


def _fuse_linear_layers(model: Any) -> None:
    """Let plain linear layers, those not packed in four bits, compute through `_FusedLora`."""
    for module in model.modules():
        if not isinstance(module, LoraLinear) or not isinstance(module.base_layer, torch.nn.Linear):
            continue
        weights = (module.base_layer.weight, _weight(module.lora_A), _weight(module.lora_B))
        if module.base_layer.bias is None and len({one.dtype for one in weights}) == 1:
            module.forward = partial(_fused_forward, weights, module.scaling["default"])


def _weight(adapters: Any) -> torch.Tensor:
    return adapters["default"].weight


def _fused_forward(weights: tuple[torch.Tensor, ...], scale: float, x: torch.Tensor) -> Any:
    return _FusedLora.apply(x, *weights, scale)
