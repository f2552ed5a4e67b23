"""Sentence embeddings and cross-encoder scores, through sentence-transformers or an endpoint."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ragtuned_kedro.language_models.base_model import resolve_encoder
from ragtuned_kedro.language_models.embedding_endpoint import EmbeddingEndpoint
from ragtuned_kedro.language_models.weights import choose_device, quiet_transformers
from ragtuned_kedro.language_models.whole_folder import make_folder
from ragtuned_kedro.schemas.ids import fingerprint
from ragtuned_kedro.schemas.records import BaseModelFolder

# Texts in, one unit vector per text out: (n, dimensions), float32.
Embed = Callable[[Sequence[str]], np.ndarray]
# A query and the texts to compare with it in, one score per text out: (n,), higher is closer.
Rerank = Callable[[str, Sequence[str]], np.ndarray]


# A local embedder in its folder, or one that answers over HTTP; `revision` names either.
Embedder = BaseModelFolder | EmbeddingEndpoint

# What `embedder.source` says where an endpoint embeds.
_ENDPOINT = "endpoint"
_FILE = "vectors.safetensors"
_VECTORS = "vectors"


def find_embedder(
    source: str, *, revision: str | None, sha256: str | None, cache: Path
) -> BaseModelFolder:
    """Download the embedder at most once; for an endpoint, whose folder is none, fetch nothing.

    Raises:
        UserError: If the model cannot be had, or is not what `sha256` promises.
    """
    if source == _ENDPOINT:
        return BaseModelFolder(str(cache), _ENDPOINT, _ENDPOINT)
    return resolve_encoder(
        source, revision=revision, sha256=sha256, cache=cache, setting="embedder"
    )


def is_endpoint(chosen: BaseModelFolder) -> bool:
    """Tell whether `find_embedder` found that an endpoint embeds."""
    return chosen.model_id == _ENDPOINT


def load_embedder(embedder: Embedder, *, device: str, kept_in: Path | None = None) -> Embed:
    """Build a function from texts to their embeddings; the weights are loaded at its first call.

    With a folder `kept_in` a local embedder's vectors are kept there (`embed_once`); what an
    endpoint embeds is kept, and accounted for, in its own store.
    """
    if isinstance(embedder, EmbeddingEndpoint):
        return embedder
    folder = embedder
    device = choose_device(device)

    def embed(texts: Sequence[str]) -> np.ndarray:
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        model = _sentence_transformer(folder.path, device)
        vectors = model.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=len(texts) > 1000
        )
        return np.asarray(vectors, dtype=np.float32).reshape(len(texts), -1)

    return embed_once(embed, kept_in, model_id=folder.revision) if kept_in else embed


def embed_once(embed: Embed, root: Path, *, model_id: str) -> Embed:
    """Keep the vectors of a call in a folder of `root`, for the next call with the same texts.

    An unchanged run then loads no weights. `model_id` tells embedders apart.
    """
    from safetensors.numpy import load_file, save_file

    def embed_or_look_up(texts: Sequence[str]) -> np.ndarray:
        folder = root / fingerprint([model_id, list(texts)])[:16]
        make_folder(
            folder, lambda unfinished: save_file({_VECTORS: embed(texts)}, unfinished / _FILE)
        )
        return load_file(folder / _FILE)[_VECTORS]

    return embed_or_look_up


def load_reranker(folder: BaseModelFolder, *, device: str) -> Rerank:
    """Build a function that reads a query and a text together and scores how well they fit."""
    device = choose_device(device)

    def rerank(query: str, texts: Sequence[str]) -> np.ndarray:
        model = _cross_encoder(folder.path, device)
        pairs = [(query, text) for text in texts]
        return np.asarray(model.predict(pairs, show_progress_bar=False), dtype=np.float64)

    return rerank


@lru_cache(maxsize=2)
def _sentence_transformer(path: str, device: str) -> Any:
    from sentence_transformers import SentenceTransformer

    with quiet_transformers():
        return SentenceTransformer(path, device=device, local_files_only=True)


@lru_cache(maxsize=1)
def _cross_encoder(path: str, device: str) -> Any:
    from sentence_transformers import CrossEncoder

    with quiet_transformers():
        return CrossEncoder(path, device=device, local_files_only=True)
