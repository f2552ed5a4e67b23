"""A base model in this process, with or without an adapter."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from tqdm import tqdm

from ragtuned_kedro.language_models.adapter_folder import (
    READER,
    merge_adapter,
    read_adapter_card,
)
from ragtuned_kedro.language_models.boundary import Keep
from ragtuned_kedro.language_models.chat import Chat, load_chat
from ragtuned_kedro.language_models.greedy import Decoder, GreedyDecoder, GreedyRow
from ragtuned_kedro.language_models.memory import PeakMemory, give_back_freed_memory
from ragtuned_kedro.language_models.openings import read_openings
from ragtuned_kedro.language_models.plain_layers import speed_up_answers
from ragtuned_kedro.language_models.readers import Reader
from ragtuned_kedro.language_models.recall import Recall, RecallingDecoder
from ragtuned_kedro.language_models.reciting import recited_by
from ragtuned_kedro.language_models.weights import (
    Quantization,
    choose_device,
    choose_dtype,
    load_weights,
)
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import AdapterCard, BaseModelFolder, Completion, Prompt


class LocalModel:
    """Weights, tokenizer and chat template; answers depend on nothing else.

    The weights are loaded when the first prompt comes, so a run whose answers are all known
    already costs no load. `in_turn` answers one batch after the other, as a decoder asks for that
    keeps what it has read for those that follow.
    """

    def __init__(
        self,
        load_decoder: Callable[[], Decoder],
        chat: Chat,
        *,
        model_id: str,
        batch_size: int,
        n_threads: int,
        in_turn: bool = False,
    ) -> None:
        self._load_decoder = load_decoder
        self._loaded: Decoder | None = None
        self._chat = chat
        self._model_id = model_id
        self._batch_size = batch_size
        self._n_threads = n_threads or torch.get_num_threads()
        self._in_turn = in_turn
        self._turn: AbstractContextManager[Any] = Lock() if in_turn else nullcontext()

    @property
    def model_id(self) -> str:
        """Name weights, adapter and chat template."""
        return self._model_id

    @property
    def _decoder(self) -> Decoder:
        if self._loaded is None:
            self._loaded = self._load_decoder()
        return self._loaded

    @property
    def _device(self) -> str:
        return str(self._decoder.model.device.type)

    @property
    def _context(self) -> int:
        return int(self._decoder.model.config.get_text_config().max_position_embeddings)

    def complete(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, keep: Keep | None = None
    ) -> list[Completion]:
        """Answer in batches of prompts of similar length.

        A prompt that leaves no room for `max_new_tokens` in the model's context fails.
        """
        encoded = [self._chat.prompt_ids(prompt.messages) for prompt in prompts]
        order = sorted(range(len(prompts)), key=lambda index: len(encoded[index]))
        answers: dict[int, Completion] = {}

        def work(batch: Sequence[int]) -> dict[int, Completion]:
            return dict(
                zip(
                    batch,
                    self._answer(
                        [prompts[index] for index in batch],
                        [encoded[index] for index in batch],
                        max_new_tokens,
                    ),
                    strict=True,
                )
            )

        batches = [
            order[start : start + self._batch_size]
            for start in range(0, len(order), self._batch_size)
        ]
        with (
            _share_cores(
                self._n_threads, 1 if self._in_turn else len(batches), self._device
            ) as pool,
            tqdm(
                total=len(prompts), desc="answering", unit="query", disable=len(prompts) < 2
            ) as bar,
        ):
            waiting = [pool.submit(work, batch) for batch in batches]
            try:
                for done in as_completed(waiting):
                    if keep is not None:
                        keep(list(done.result().values()))
                    answers |= done.result()
                    bar.update(len(done.result()))
            finally:
                # After an error or Ctrl-C nobody waits for the rest.
                pool.shutdown(wait=False, cancel_futures=True)
        return [answers[index] for index in range(len(prompts))]

    def _answer(
        self, prompts: Sequence[Prompt], encoded: Sequence[Sequence[int]], max_new_tokens: int
    ) -> list[Completion]:
        started = time.monotonic()
        room = self._context - max_new_tokens
        fitting = [at for at, ids in enumerate(encoded) if len(ids) <= room]
        with self._turn, PeakMemory(self._device) as peak:
            rows = iter(
                self._decoder.decode(
                    [prompts[at] for at in fitting],
                    [encoded[at] for at in fitting],
                    max_new_tokens=max_new_tokens,
                )
            )
        cost = _BatchCost(len(prompts), time.monotonic() - started, peak.n_bytes)
        # Batches differ in shape, so what one has freed does not fit the next, and piles up.
        give_back_freed_memory()
        return [
            self._completion(prompt, len(ids), next(rows), cost)
            if len(ids) <= room
            else _refusal(prompt, len(ids), room)
            for prompt, ids in zip(prompts, encoded, strict=True)
        ]

    def _completion(
        self, prompt: Prompt, n_prompt_tokens: int, row: GreedyRow, cost: "_BatchCost"
    ) -> Completion:
        return Completion(
            key=prompt.key,
            text=self._chat.decode(row.ids),
            finish_reason="stop" if row.has_ended else "length",
            n_prompt_tokens=n_prompt_tokens,
            n_completion_tokens=row.n_decoded,
            seconds=cost.seconds / cost.n_prompts,
            first_token_seconds=row.first_token_seconds / cost.n_prompts,
            peak_memory_bytes=cost.peak_memory_bytes,
        )


@dataclass(frozen=True)
class _BatchCost:
    """What a batch took as a whole."""

    n_prompts: int
    seconds: float
    peak_memory_bytes: int


def load_local_model(
    base_model: BaseModelFolder,
    *,
    adapter: Path | None,
    batch_size: int,
    device: str,
    n_threads: int,
    recall: Recall | None = None,
) -> LocalModel:
    """Load the base model, as it was trained on where there is an adapter.

    With `recall` it answers from what it recalls, and a reader reads that again: the bare base
    model, with the reader's adapter where one lies beside the adapter. Without, it answers
    greedily. `batch_size` counts questions that are answered together.

    An adapter that was tuned on NF4-rounded weights is merged into weights rounded the same way;
    without an adapter the weights are the base model's own.

    Raises:
        UserError: If the adapter is missing or belongs to another base model, or keeps no openings
            where `recall` needs them.
    """
    device = choose_device(device)
    chat = load_chat(base_model.path)
    template = hashlib.sha256(chat.tokenizer.chat_template.encode()).hexdigest()[:8]
    dtype = choose_dtype("auto", device)
    quantization = Quantization(kind="none", double_quant=False, compute_dtype=dtype)
    name = f"{base_model.model_id}@{base_model.revision[:12]}"
    tree = None
    is_taught = False
    if adapter is not None:
        card = read_adapter_card(adapter)
        _require_same_base(card, base_model, adapter)
        quantization = Quantization.named(card.quantization, card.compute_dtype)
        name = card.adapter_id
        is_taught = card.reader_id is not None
        if recall is not None and recall.keeps_to_taught_openings:
            tree = read_openings(adapter)

    model_id = f"{name}+{template}" + (f"+{recall.name}" if recall else "")

    def load_decoder() -> Decoder:
        model = load_weights(base_model, quantization=quantization, device=device)
        if adapter is not None:
            model = merge_adapter(model, adapter)
        model = speed_up_answers(model)
        if recall is None:
            return GreedyDecoder(model, chat)
        bare = Quantization(kind="none", double_quant=False, compute_dtype=dtype)
        reader = load_weights(base_model, quantization=bare, device=device)
        if adapter is not None and is_taught:
            reader = merge_adapter(reader, adapter / READER)
        reader = Reader(speed_up_answers(reader), chat, is_taught)
        return RecallingDecoder(model, reader, chat, recall, tree, recited_by(model_id))

    return LocalModel(
        load_decoder,
        chat,
        model_id=model_id,
        batch_size=batch_size,
        n_threads=n_threads,
        in_turn=recall is not None,
    )


def _require_same_base(card: AdapterCard, base_model: BaseModelFolder, adapter: Path) -> None:
    if card.base_model_revision != base_model.revision:
        raise UserError(
            f"the adapter in {adapter} was tuned on {card.base_model_id} "
            f"({card.base_model_revision[:12]}), but base_model.source is {base_model.model_id} "
            f"({base_model.revision[:12]}); tune again or name the other model"
        )


def _refusal(prompt: Prompt, n_prompt_tokens: int, room: int) -> Completion:
    text = f"the prompt has {n_prompt_tokens} tokens and the model's context has room for {room}"
    return Completion(prompt.key, "", "error", n_prompt_tokens, 0, 0.0, error=text)


@contextmanager
def _share_cores(n_threads: int, n_batches: int, device: str) -> Iterator[ThreadPoolExecutor]:
    """Start a thread for each batch that can be worked on at once; one thread feeds a GPU.

    Decoding multiplies matrices too thin to be split over cores: two batches side by side give
    more tokens per second than one batch on two cores.
    """
    n_torch = torch.get_num_threads()
    n_workers = max(1, min(n_threads, n_batches)) if device == "cpu" else 1
    torch.set_num_threads(max(1, n_threads // n_workers))
    try:
        with ThreadPoolExecutor(n_workers) as pool:
            yield pool
    finally:
        torch.set_num_threads(n_torch)
