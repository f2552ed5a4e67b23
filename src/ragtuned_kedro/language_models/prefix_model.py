"""A base model whose prompts all begin with the same long text, which it has read before."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ragtuned_kedro.language_models.boundary import Keep
from ragtuned_kedro.language_models.chat import Chat, load_chat
from ragtuned_kedro.language_models.greedy import decode_greedily
from ragtuned_kedro.language_models.memory import PeakMemory
from ragtuned_kedro.language_models.shared_prefix import (
    Prefix,
    attend_to_prefix,
    common_length,
    load_prefix,
    read_prefix,
    save_prefix,
)
from ragtuned_kedro.language_models.weights import (
    Quantization,
    choose_device,
    choose_dtype,
    load_weights,
)
from ragtuned_kedro.schemas.records import BaseModelFolder, Completion, Prompt


class PrefixModel:
    """Answers greedily after a prefix that was read once and kept in a file.

    Weights and prefix are loaded when the first prompt comes. The cores share each product, and
    batches follow one another: what takes the time, the keys of the prefix, is in all of them.
    """

    def __init__(
        self,
        base_model: BaseModelFolder,
        prefix_file: Path | None,
        *,
        batch_size: int,
        device: str,
        n_threads: int,
    ) -> None:
        self._device = choose_device(device)
        self._dtype = choose_dtype("auto", self._device)
        self._base_model = base_model
        self._prefix_file = prefix_file
        self._batch_size = batch_size
        self._n_threads = n_threads or torch.get_num_threads()
        self._chat: Chat = load_chat(base_model.path)
        self._loaded: Any = None

    @property
    def model_id(self) -> str:
        """Name weights and chat template; the prefix is part of the prompts."""
        template = hashlib.sha256(self._chat.tokenizer.chat_template.encode()).hexdigest()[:8]
        model = self._base_model
        return f"{model.model_id}@{model.revision[:12]}+{template}"

    @property
    def _model(self) -> Any:
        if self._loaded is None:
            plain = Quantization(kind="none", double_quant=False, compute_dtype=self._dtype)
            self._loaded = load_weights(self._base_model, quantization=plain, device=self._device)
        return self._loaded

    def read(self, prompts: Sequence[Prompt], prefix_file: Path) -> int:
        """Read what all of `prompts` begin with, keep it, and count its tokens."""
        encoded = [self._chat.prompt_ids(prompt.messages) for prompt in prompts]
        prefix = read_prefix(self._model, encoded[0][: common_length(encoded)])
        save_prefix(prefix, prefix_file)
        return len(prefix.ids)

    def complete(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, keep: Keep | None = None
    ) -> list[Completion]:
        """Answer every prompt, in order; `n_prompt_tokens` counts the prefix as well.

        A prompt that leaves no room for `max_new_tokens` in the model's context fails.
        """
        if not prompts:
            return []
        encoded = [self._chat.prompt_ids(prompt.messages) for prompt in prompts]
        prefix = Prefix((), (), ())
        if self._prefix_file is not None:
            prefix = load_prefix(self._prefix_file, self._device)
        # A last token is never part of the prefix: the first answer token is read off it.
        n_shared = common_length([prefix.ids, *(ids[:-1] for ids in encoded)])
        prefix = prefix.first(n_shared)
        answers: list[Completion] = []
        n_torch = torch.get_num_threads()
        torch.set_num_threads(self._n_threads)
        try:
            with (
                attend_to_prefix(self._model, prefix),
                tqdm(total=len(prompts), desc="answering", unit="query") as bar,
            ):
                for start in range(0, len(prompts), self._batch_size):
                    part = slice(start, start + self._batch_size)
                    batch = self._answer(prompts[part], encoded[part], n_shared, max_new_tokens)
                    if keep is not None:
                        keep(batch)
                    answers += batch
                    bar.update(len(batch))
        finally:
            torch.set_num_threads(n_torch)
        return answers

    def _answer(
        self,
        prompts: Sequence[Prompt],
        encoded: Sequence[Sequence[int]],
        n_shared: int,
        max_new_tokens: int,
    ) -> list[Completion]:
        room = int(self._model.config.get_text_config().max_position_embeddings) - max_new_tokens
        started = time.monotonic()
        with PeakMemory(self._device) as peak:
            rows = iter(
                decode_greedily(
                    _Following(self._model, n_shared),
                    [ids[n_shared:] for ids in encoded if len(ids) <= room],
                    max_new_tokens=max_new_tokens,
                    end_ids=self._chat.end_ids,
                    pad_id=self._chat.pad_id,
                )
            )
        seconds = (time.monotonic() - started) / len(prompts)
        answers = []
        for prompt, ids in zip(prompts, encoded, strict=True):
            if len(ids) > room:
                text = (
                    f"the prompt has {len(ids)} tokens and the model's context has room for {room}"
                )
                answers.append(Completion(prompt.key, "", "error", len(ids), 0, 0.0, error=text))
                continue
            row = next(rows)
            answers.append(
                Completion(
                    key=prompt.key,
                    text=self._chat.decode(row.ids),
                    finish_reason="stop" if row.has_ended else "length",
                    n_prompt_tokens=len(ids),
                    n_completion_tokens=len(row.ids),
                    seconds=seconds,
                    first_token_seconds=row.first_token_seconds / len(prompts),
                    peak_memory_bytes=peak.n_bytes,
                )
            )
        return answers


class _Following:
    """A model whose rows stand behind `n_shared` tokens that it has read."""

    def __init__(self, model: Any, n_shared: int) -> None:
        self._model = model
        self._n_shared = n_shared
        self.device = model.device

    def __call__(self, *, position_ids: torch.Tensor, **inputs: Any) -> Any:
        return self._model(position_ids=position_ids + self._n_shared, **inputs)
