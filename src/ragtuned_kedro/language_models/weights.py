"""Base model weights in memory: plain, or rounded to four bits."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import BaseModelFolder


@dataclass(frozen=True)
class Quantization:
    """How frozen weights are held; `double_quant` also quantizes NF4's scales."""

    kind: Literal["nf4", "none"]
    double_quant: bool
    compute_dtype: str

    @property
    def name(self) -> str:
        """Name it as an adapter card does: nf4, nf4+double or none."""
        return "nf4+double" if self.kind == "nf4" and self.double_quant else self.kind

    @staticmethod
    def named(name: str, compute_dtype: str) -> "Quantization":
        """Read back what an adapter card says."""
        return Quantization(
            kind="none" if name == "none" else "nf4",
            double_quant=name == "nf4+double",
            compute_dtype=compute_dtype,
        )


def choose_device(device: str) -> str:
    """Resolve `auto` to cuda where there is a GPU and to cpu elsewhere.

    Raises:
        UserError: If cuda is asked for and torch sees no GPU.
    """
    import torch

    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise UserError("device is cuda, but torch sees no GPU; set it to auto or cpu")
    return "cuda" if device != "cpu" and has_gpu else "cpu"


def choose_dtype(dtype: str, device: str) -> str:
    """Resolve `auto` to the fastest type that the processor computes in by itself.

    bfloat16 on a GPU and on a CPU with instructions for it (1.6 times the tokens per second of
    float32 there); float32 on every other CPU, where bfloat16 is emulated and twenty times slower.
    """
    import torch

    if dtype != "auto":
        return dtype
    if device == "cuda":
        return "bfloat16"
    able = torch.cpu.get_capabilities()
    return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"


def import_transformers() -> None:
    """Import what is used of transformers before several threads do.

    It imports a name when it is first asked for one, and of two threads that ask at once the
    second can find that there is no such name.
    """
    from transformers import (  # noqa: F401
        AutoConfig,
        AutoModelForCausalLM,
        AutoTokenizer,
        DynamicCache,
        GenerationConfig,
    )


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the progress bars and notices with which transformers accompanies each file."""
    from transformers.utils import logging

    had_bar, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if had_bar:
            logging.enable_progress_bar()


def load_weights(base_model: BaseModelFolder, *, quantization: Quantization, device: str) -> Any:
    """Load a frozen base model, ready to carry an adapter.

    With `nf4` on a GPU the linear layers stay packed in four bits, as in QLoRA (Dettmers et al.,
    arXiv 2305.14314). On a CPU they are rounded to NF4 by the same library and then kept
    expanded in the compute type: the numbers are those of QLoRA, the memory is not. Packed
    weights would be unpacked on every pass, which costs a small model a quarter of its speed.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = getattr(torch, quantization.compute_dtype)
    is_packed = device == "cuda" and quantization.kind == "nf4"
    is_rounded = quantization.kind == "nf4" and not is_packed
    settings: dict[str, Any] = {"dtype": torch.float32 if is_rounded else dtype}
    if is_packed:
        settings["device_map"] = {"": 0}
        settings["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=quantization.double_quant,
            bnb_4bit_compute_dtype=dtype,
        )
    with quiet_transformers():
        model: Any = AutoModelForCausalLM.from_pretrained(
            base_model.path, local_files_only=True, **settings
        )
    if is_rounded:
        _round_to_nf4(model, double_quant=quantization.double_quant)
    if not is_packed:
        model.to(device=device, dtype=dtype)
    return model.requires_grad_(False).eval()


def _round_to_nf4(model: Any, *, double_quant: bool) -> None:
    """Replace each linear layer's weight, except the output head's, by its NF4 approximation."""
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    head = model.get_output_embeddings()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and module is not head:
            packed, state = quantize_4bit(
                module.weight.data, quant_type="nf4", compress_statistics=double_quant
            )
            module.weight.data = dequantize_4bit(packed, state)


def linear_module_names(model: Any) -> tuple[str, ...]:
    """Name the kinds of linear layers, `q_proj` and the like, without the output head."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    return tuple(
        sorted(
            {
                name.rsplit(".", 1)[-1]
                for name, module in model.named_modules()
                if isinstance(module, torch.nn.Linear | Conv1D) and module is not head
            }
        )
    )
