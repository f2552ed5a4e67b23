"""The embedder as a catalogued dataset: a local one in its folder, or an endpoint."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from ragtuned_kedro.datasets.base_model import BaseModelFolderDataset
from ragtuned_kedro.datasets.endpoint import find_key, read_settings
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.embedder import Embedder, is_endpoint
from ragtuned_kedro.language_models.embedding_endpoint import EmbeddingEndpoint
from ragtuned_kedro.schemas.endpoint_parameters import EmbeddingParams
from ragtuned_kedro.schemas.records import BaseModelFolder

_ROLE = "embedder"


class EmbedderDataset(AbstractDataset[BaseModelFolder, Embedder]):
    """Keeps which embedder was chosen as JSON (see BaseModelFolderDataset).

    Loads as the folder of a local embedder, or, where `embedder.source` is endpoint, as the
    EmbeddingEndpoint that `settings` (EmbeddingParams) describes, with its vectors in `store`.
    """

    def __init__(
        self,
        *,
        filepath: str,
        settings: dict[str, Any],
        store: str,
        teacher_url: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the JSON file, the endpoint and the store; `metadata` is for Kedro-Viz."""
        self._chosen = BaseModelFolderDataset(filepath=filepath)
        self._settings = settings
        self._store = Path(store)
        self._teacher_url = teacher_url
        self._endpoint: EmbeddingEndpoint | None = None
        self.metadata = metadata

    def load(self) -> Embedder:
        """Read what was chosen; an endpoint is built once, so that its limits hold for all nodes.

        Raises:
            UserError: If nothing was chosen yet, a setting is wrong, or `egress` forbids it.
        """
        chosen = self._chosen.load()
        if not is_endpoint(chosen):
            return chosen
        if self._endpoint is None:
            params = read_settings(self._settings, EmbeddingParams, role=_ROLE)
            self._endpoint = EmbeddingEndpoint(
                params,
                CompletionStore(self._store),
                role=_ROLE,
                api_key=find_key(_ROLE, url=params.url, teacher_url=self._teacher_url),
            )
        return self._endpoint

    def save(self, data: BaseModelFolder) -> None:
        """Write what was chosen."""
        self._chosen.save(data)

    def _describe(self) -> dict[str, Any]:
        url = str(self._settings.get("url")).rpartition("@")[2]
        return self._chosen._describe() | {"url": url, "store": str(self._store)}

    def _exists(self) -> bool:
        return self._chosen._exists()
