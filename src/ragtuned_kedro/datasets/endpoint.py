"""The teacher, the judge: a model behind an endpoint as a catalogued dataset."""

import os
from pathlib import Path
from typing import Any, TypeVar

import yaml
from kedro.io import AbstractDataset
from kedro.utils import find_kedro_project
from pydantic import SecretStr, ValidationError

from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.openai_compatible import OpenAiCompatibleModel
from ragtuned_kedro.schemas.endpoint_parameters import AddressParams, EndpointParams
from ragtuned_kedro.schemas.errors import UserError

P = TypeVar("P", bound=AddressParams)
_TEACHER = "teacher"
_CREDENTIALS = Path("conf/local/credentials.yml")


class EndpointDataset(AbstractDataset[None, Asker]):
    """Loads as an `Asker`; nothing is sent before it is asked.

    The key is looked up when loading (see `find_key`), in the environment and in conf/local.
    Kedro's own credentials would be read from the environment that a run names, so not from
    conf/local, and a local server needs none.
    """

    def __init__(
        self,
        *,
        role: str,
        settings: dict[str, Any],
        filepath: str,
        teacher_url: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the role, its EndpointParams and its completion store; `metadata` is for Viz."""
        self._role = role
        self._settings = settings
        self._teacher_url = teacher_url
        self._store = Path(filepath)
        self._asker: Asker | None = None
        self.metadata = metadata

    def load(self) -> Asker:
        """Build the asker once, so that its limits hold for all nodes together.

        Raises:
            UserError: If a setting is wrong, or `egress` forbids the endpoint.
        """
        if self._asker is None:
            params = read_settings(self._settings, EndpointParams, role=self._role)
            key = find_key(self._role, url=params.url, teacher_url=self._teacher_url)
            self._asker = Asker(
                OpenAiCompatibleModel(params, role=self._role, api_key=key),
                CompletionStore(self._store),
                replies=params.replies,
                spending=params.spending,
                role=self._role,
            )
        return self._asker

    def save(self, data: None) -> None:
        """Refuse: a model is not written."""
        raise UserError(f"{self._role} is a model; no node may write it")

    def _describe(self) -> dict[str, Any]:
        return {
            "role": self._role,
            # A password before the host is refused when loading; until then it is not shown.
            "url": str(self._settings.get("url")).rpartition("@")[2],
            "model": self._settings.get("model"),
            "store": str(self._store),
        }

    def _exists(self) -> bool:
        return True


def read_settings(settings: dict[str, Any], into: type[P], *, role: str) -> P:
    """Check the settings of a role.

    Raises:
        UserError: If one of them is wrong; values are not shown.
    """
    try:
        return into.model_validate(settings)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        told = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in faults)
        raise UserError(f"the settings of {role} in the catalog: {told}") from None


def find_key(role: str, *, url: str, teacher_url: str | None) -> SecretStr | None:
    """Find the key of a role in the environment or in conf/local; null if there is none.

    It is <ROLE>_API_KEY or else `<role>: {api_key: ...}` in conf/local/credentials.yml. A role
    without one that asks where the teacher asks has the teacher's key, which goes nowhere else.

    Raises:
        UserError: If conf/local/credentials.yml cannot be read, or a key cannot be sent.
    """
    roles = [role, _TEACHER] if url == teacher_url and role != _TEACHER else [role]
    return next((key for one in roles if (key := _look_up(one)) is not None), None)


def _look_up(role: str) -> SecretStr | None:
    variable = f"{role.upper()}_API_KEY"
    if key := os.environ.get(variable):
        return _check_key(key, found=f"the environment variable {variable}")
    file = (find_kedro_project(Path.cwd()) or Path.cwd()) / _CREDENTIALS
    if not file.exists():
        return None
    try:
        key = (yaml.safe_load(file.read_text()) or {}).get(role, {}).get("api_key")
    except (yaml.YAMLError, AttributeError):
        # The message of a parser would show what stands in the file.
        raise UserError(
            f"{_CREDENTIALS} must be YAML of the form `{role}: {{api_key: ...}}`"
        ) from None
    return _check_key(str(key), found=f"{role}.api_key in {_CREDENTIALS}") if key else None


def _check_key(key: str, *, found: str) -> SecretStr:
    """Refuse what no HTTP header can carry: the error of the library would show the key."""
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UserError(
            f"the key in {found} must be printable ASCII without spaces or line breaks; look "
            "whether something was copied with it"
        )
    return SecretStr(key)
