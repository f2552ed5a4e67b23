from pathlib import Path

import pytest

from ragtuned_kedro.language_models.base_model import resolve_base_model
from ragtuned_kedro.schemas.records import BaseModelFolder
from tests.toy_model import build_toy_model


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> BaseModelFolder:
    folder = build_toy_model(tmp_path_factory.mktemp("toy") / "model")
    return resolve_base_model(
        str(folder), revision=None, sha256=None, chat_template=None, cache=Path("unused")
    )
