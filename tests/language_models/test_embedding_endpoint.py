"""Embedding over HTTP: unit vectors in order, nothing paid twice, nothing sent elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.embedder import load_embedder
from ragtuned_kedro.language_models.embedding_endpoint import EmbeddingEndpoint
from ragtuned_kedro.schemas.endpoint_parameters import EmbeddingParams, LimitParams, SpendingParams
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import BaseModelFolder
from tests.language_models.embedding_server import VOWELS, serve_embeddings
from tests.language_models.endpoints import LIMITS, SPENDING


def open_embedder(
    url: str,
    path: Path,
    *,
    key: str | None = None,
    spending: dict | None = None,
    limits: dict | None = None,
    **changes: object,
) -> EmbeddingEndpoint:
    settings = {"url": url, "model": "stub", "egress": "local_only", "dimensions": None}
    params = EmbeddingParams(
        **settings | {"batch_size": 2} | changes,
        limits=LimitParams(**LIMITS | (limits or {})),
        spending=SpendingParams(**SPENDING | (spending or {})),
    )
    secret = SecretStr(key) if key else None
    return EmbeddingEndpoint(params, CompletionStore(path), api_key=secret)


def vowels_of(text: str) -> np.ndarray:
    counts = np.array([text.count(vowel) for vowel in VOWELS], dtype=np.float64)
    return counts / np.linalg.norm(counts)


TEXTS = ["a boat", "the ferry", "an owl in an oak", "rust", "a boat"]


def test_texts_become_unit_vectors_in_their_order(tmp_path):
    with serve_embeddings() as server:
        embedder = open_embedder(server.url, tmp_path / "store", key="sk-1", dimensions=5)
        vectors = load_embedder(embedder, device="cpu")(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(np.stack([vowels_of(text) for text in TEXTS]), abs=1e-6)
    assert set(server.keys) == {"Bearer sk-1"}
    assert all(body["dimensions"] == 5 and body["model"] == "stub" for body in server.log)


def test_no_text_is_paid_for_twice(tmp_path):
    path = tmp_path / "store"
    with serve_embeddings() as server:
        first = open_embedder(server.url, path)(TEXTS)
        assert sorted(server.texts()) == sorted(set(TEXTS))
        assert all(len(body["input"]) <= 2 for body in server.log)
        n_tokens = sum(len(text.split()) for text in set(TEXTS))
        assert CompletionStore(path).spent("stub", server.url) == (4, n_tokens, 0)
        again = open_embedder(server.url, path)([*TEXTS, "a new one"])
        assert sorted(server.texts()) == sorted({*TEXTS, "a new one"})
    assert (again[:5] == first).all()


def test_no_text_has_no_vector_and_wakes_no_embedder(tmp_path):
    nowhere = BaseModelFolder(str(tmp_path / "none"), "none", "none")
    over_http = open_embedder("http://127.0.0.1:9/v1", tmp_path / "store")
    for embedder in (nowhere, over_http):
        assert load_embedder(embedder, device="cpu")([]).shape[0] == 0


def test_another_model_or_length_is_another_embedding(tmp_path):
    with serve_embeddings() as server:
        revisions = set()
        for changes in ({}, {"model": "other"}, {"dimensions": 5}):
            embedder = open_embedder(server.url, tmp_path / "store", **changes)
            embedder(["a boat"])
            revisions.add(embedder.revision)
    assert len(revisions) == len(server.log) == 3


def test_passing_faults_are_survived(tmp_path):
    with serve_embeddings(500, 429, 503) as server:
        vectors = open_embedder(server.url, tmp_path / "store")(TEXTS)
    assert vectors.shape == (5, 5)
    assert sorted(server.texts()) == sorted(set(TEXTS))


def test_an_answer_that_misses_a_text_is_never_kept(tmp_path):
    path = tmp_path / "store"
    with serve_embeddings() as server:
        server.drops_last = True
        hurried = {"total_timeout_seconds": 0.1, "dead_after_failures": 1000}
        with pytest.raises(UserError, match=r"embedder.*1 vectors of .* for 2 texts"):
            open_embedder(server.url, path, limits=hurried)(TEXTS[:2])
    assert len(CompletionStore(path)) == 0


def test_a_refused_text_stops_the_run_and_says_what_to_change(tmp_path):
    with (
        serve_embeddings(400) as server,
        pytest.raises(UserError, match=r"not now.*chunking\.size"),
    ):
        open_embedder(server.url, tmp_path / "store")(["a boat"])


def test_a_cap_is_never_passed(tmp_path):
    path = tmp_path / "store"
    with serve_embeddings() as server:
        capped = open_embedder(server.url, path, spending={"max_calls": 3})
        with pytest.raises(UserError, match=r"embedder\.spending\.max_calls"):
            capped(TEXTS)
        assert len(server.texts()) == len(CompletionStore(path)) == 2


def test_local_only_refuses_what_is_not_loopback(tmp_path):
    with pytest.raises(UserError, match=r"embedder\.egress is local_only"):
        open_embedder("https://api.example.com/v1", tmp_path / "store")
