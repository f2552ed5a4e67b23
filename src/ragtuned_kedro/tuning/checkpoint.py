"""One file from which a killed training run goes on as if nothing had happened."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file


def save_checkpoint(
    path: Path,
    parameters: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    progress: dict[str, Any],
) -> None:
    """Write adapter weights, AdamW moments and `progress` (JSON values), replacing atomically.

    Batches and dropout are functions of seed and step, so no generator state is kept.
    """
    tensors = {}
    for name, parameter in parameters.items():
        state = optimizer.state[parameter]
        tensors[f"weight.{name}"] = parameter.detach()
        tensors[f"first_moment.{name}"] = state["exp_avg"]
        tensors[f"second_moment.{name}"] = state["exp_avg_sq"]
    unfinished = path.with_suffix(".tmp")
    save_file(tensors, unfinished, {"progress": json.dumps(progress)})
    os.replace(unfinished, path)


def load_checkpoint(
    path: Path, parameters: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Fill `parameters` and `optimizer` in place and return the progress."""
    with safe_open(path, framework="pt") as file:
        progress: dict[str, Any] = json.loads(file.metadata()["progress"])
        for name, parameter in parameters.items():
            with torch.no_grad():
                parameter.copy_(file.get_tensor(f"weight.{name}"))
            optimizer.state[parameter] = {
                "step": torch.tensor(float(progress["step"])),
                "exp_avg": file.get_tensor(f"first_moment.{name}").to(parameter.device),
                "exp_avg_sq": file.get_tensor(f"second_moment.{name}").to(parameter.device),
            }
    return progress
