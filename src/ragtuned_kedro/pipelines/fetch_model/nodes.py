from pathlib import Path

from ragtuned_kedro.language_models.base_model import resolve_base_model
from ragtuned_kedro.language_models.embedder import find_embedder
from ragtuned_kedro.schemas.model_parameters import BaseModelParams, EncoderParams
from ragtuned_kedro.schemas.records import BaseModelFolder


def fetch_base_model(base_model: BaseModelParams, base_model_cache: Path) -> BaseModelFolder:
    """Download and convert the base model, once."""
    return resolve_base_model(
        base_model.source,
        revision=base_model.revision,
        sha256=base_model.sha256,
        chat_template=base_model.chat_template,
        cache=base_model_cache,
    )


def fetch_embedder(embedder: EncoderParams, base_model_cache: Path) -> BaseModelFolder:
    """Download the embedder, once, unless it is an endpoint."""
    return find_embedder(**embedder.model_dump(), cache=base_model_cache)
