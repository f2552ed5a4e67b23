"""Embeddings from any OpenAI-compatible endpoint, each text paid for once."""

import base64
import dataclasses
import json
import math
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field, SecretStr

from ragtuned_kedro.language_models.asked import call_row, calls_table
from ragtuned_kedro.language_models.boundary import RequestRefusedError
from ragtuned_kedro.language_models.bounded import run_bounded
from ragtuned_kedro.language_models.call_file import Call, Sending
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.endpoint import Endpoint
from ragtuned_kedro.language_models.faults import Fault
from ragtuned_kedro.language_models.purse import Amount, Purse
from ragtuned_kedro.schemas.endpoint_parameters import EmbeddingParams, SpendingParams
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.ids import fingerprint

STAGE = "embed"


class _Vector(BaseModel):
    index: int = Field(ge=0)
    embedding: list[float] = Field(min_length=1)


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)


class _Embedded(BaseModel):
    data: list[_Vector]
    usage: _Usage | None = None
    seconds: float = 0.0


class EmbeddingEndpoint:
    """An embedder behind an endpoint; called with texts it gives unit vectors, as `Embed` says.

    Vectors lie in `store` beside the completions, as base64 of little-endian float32, each under
    model, dimensions and text.
    """

    def __init__(
        self,
        params: EmbeddingParams,
        store: CompletionStore,
        *,
        role: str = "embedder",
        api_key: SecretStr | None = None,
    ) -> None:
        """Name the endpoint; nothing is sent.

        Raises:
            UserError: If `params.egress` forbids the endpoint.
        """
        self._params = params
        self._store = store
        self._role = role
        self._endpoint = Endpoint(params, role=role, api_key=api_key)
        self._purse = Purse(params.spending, role=role)

    @property
    def spending(self) -> SpendingParams:
        """Give the prices and caps."""
        return self._params.spending

    @property
    def model_id(self) -> str:
        """Name the model as the endpoint does."""
        return self._params.model

    @property
    def endpoint(self) -> str:
        """Name where texts go."""
        return self._params.url

    @property
    def revision(self) -> str:
        """Name what decides the vectors: an index made with another revision is another index."""
        return fingerprint([STAGE, self._params.model, self._params.dimensions])

    def request_sha(self, text: str) -> str:
        """Name a text as it is named where it was sent."""
        return fingerprint([self.revision, text])

    def calls(self) -> pd.DataFrame:
        """List the answered calls of all runs, one per text, as ModelCalls."""
        calls = self._store.calls_at(STAGE, self._params.model, self._params.url)
        return calls_table(
            [call_row(dataclasses.replace(one, text=None), one.request_sha) for one in calls]
        )

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts: (n, dimensions), float32, in their order; equal texts are sent once.

        Raises:
            UserError: If the endpoint does not embed them or a cap is reached; what it embedded
                before is kept.
        """
        shas = [self.request_sha(text) for text in texts]
        wanted = dict(zip(shas, texts, strict=True))
        unknown = [(sha, text) for sha, text in wanted.items() if self._store.get(sha) is None]
        size = self._params.batch_size
        if unknown:
            run_bounded(
                (unknown[start : start + size] for start in range(0, len(unknown), size)),
                self._embed_batch,
                n_workers=self._params.limits.concurrency,
                within=self._open,
            )
        vectors = {sha: self._vector(sha) for sha in wanted}
        if not texts:
            return np.zeros((0, self._params.dimensions or 0), dtype=np.float32)
        return np.stack([vectors[sha] for sha in shas])

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        self._purse.open(Amount(*self._store.spent(self._params.model, self._params.url)))
        async with self._endpoint.open(self._store):
            yield

    async def _embed_batch(self, batch: Sequence[tuple[str, str]]) -> None:
        """Embed one request's worth of texts and keep their vectors, all or none."""
        texts = [text for _, text in batch]
        # A token is at least one byte.
        n_bytes = sum(len(text.encode()) for text in texts)
        most, paid = Amount(len(batch), n_bytes, 0), Amount()
        where = self._params.model, self._params.url
        sendings = [Sending(sha, 0, STAGE, sha, *where) for sha, _ in batch]

        def send() -> Awaitable[_Embedded | Fault]:
            self._store.add_sendings(sendings)
            return self._endpoint.post(
                "embeddings",
                self._body(texts),
                lambda content, seconds: _read(content, seconds, n_texts=len(texts)),
                kept_as=tuple((sha, 0) for sha, _ in batch),
            )

        await self._purse.reserve(most)
        try:
            outcome = await self._endpoint.insist(
                send,
                expected_tokens=n_bytes / 4,
                n_tokens=lambda embedded: embedded.usage.prompt_tokens if embedded.usage else 0,
            )
            if isinstance(outcome, Fault):
                raise UserError(f"{self._role}: {outcome.detail}; what it embedded is kept")
            n_tokens = n_bytes if outcome.usage is None else outcome.usage.prompt_tokens
            paid = Amount(len(batch), n_tokens, 0)
            self._keep([sha for sha, _ in batch], outcome, n_tokens)
        except RequestRefusedError as error:
            raise UserError(
                f"{self._params.url} will not embed a text ({error}); smaller chunks "
                "(chunking.size) or another model may help"
            ) from error
        finally:
            self._purse.settle(most, paid)

    def _body(self, texts: list[str]) -> bytes:
        asked: dict[str, Any] = {
            "model": self._params.model,
            "input": texts,
            "encoding_format": "float",
        }
        if self._params.dimensions is not None:
            asked["dimensions"] = self._params.dimensions
        return json.dumps(asked, ensure_ascii=False).encode()

    def _keep(self, shas: Sequence[str], embedded: _Embedded, n_tokens: int) -> None:
        """Keep one row per text; the tokens of the request are shared out among them."""
        n, calls = len(shas), []
        for vector in sorted(embedded.data, key=lambda one: one.index):
            values = np.asarray(vector.embedding, dtype="<f4")
            share = n_tokens * (vector.index + 1) // n - n_tokens * vector.index // n
            calls.append(
                Call(
                    shas[vector.index],
                    0,
                    STAGE,
                    self._params.model,
                    self._params.url,
                    "valid",
                    base64.b64encode(values.tobytes()).decode(),
                    "stop",
                    share,
                    0,
                    embedded.seconds / n,
                )
            )
        self._store.add_calls(calls)

    def _vector(self, sha: str) -> np.ndarray:
        kept = self._store.get(sha)
        assert kept is not None, "every text was known or embedded"  # noqa: S101
        vector = np.frombuffer(base64.b64decode(kept.text), dtype="<f4").astype(np.float32)
        return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _read(content: bytes, seconds: float, *, n_texts: int) -> _Embedded | Fault:
    """Read a whole answer; one that has not a finite vector for every text is a fault.

    Raises:
        ValidationError: If it is no list of embeddings.
    """
    embedded = _Embedded.model_validate_json(content).model_copy(update={"seconds": seconds})
    lengths = {len(one.embedding) for one in embedded.data}
    places = sorted(one.index for one in embedded.data)
    if places != list(range(n_texts)) or len(lengths) != 1:
        return Fault("passing", f"{len(embedded.data)} vectors of {lengths} for {n_texts} texts")
    if not all(math.isfinite(value) for one in embedded.data for value in one.embedding):
        return Fault("passing", "a vector that is not finite")
    return embedded
