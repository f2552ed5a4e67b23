"""What a run tells its courier: where a channel leads, and what each request is for."""

import json
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, SecretStr, field_serializer

from ragtuned_kedro.language_models.call_file import KeptAs
from ragtuned_kedro.language_models.courier.underway import Owner

# For everything that is no waiting for an endpoint, on a machine that has other work.
_GRACE_SECONDS = 30.0


class ChannelSettings(BaseModel):
    """Where the requests of a channel go, and where answers are laid down if the run is gone.

    `owner` is the run's process. The courier has at most
    `concurrency` requests under way, and at most `n_at_hand` with those that wait for that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: str
    owner: Owner
    url: str
    api_key: SecretStr | None
    concurrency: int
    n_at_hand: int
    call_timeout_seconds: float
    trust_env: bool
    store: Path | None

    @property
    def most_seconds(self) -> float:
        """Tell after how long a request has surely ended; one may wait for its turn before."""
        return 2 * self.call_timeout_seconds + _GRACE_SECONDS

    @field_serializer("api_key", when_used="json")
    def _tell(self, key: SecretStr | None) -> str | None:
        # The socket belongs to this user alone; nothing else is ever told the key.
        return key.get_secret_value() if key else None

    @property
    def secret(self) -> str:
        """Give the key; empty where there is none."""
        return self.api_key.get_secret_value() if self.api_key else ""


class Errand(NamedTuple):
    """Where one request goes, and as which calls its answer will be kept."""

    path: str
    kept_as: KeptAs

    def pack(self, body: bytes) -> bytes:
        """Write it in front of its body."""
        return json.dumps(self).encode() + b"\n" + body

    @staticmethod
    def unpack(payload: bytes) -> tuple["Errand", bytes]:
        """Read it again, and the body behind it."""
        head, _, body = payload.partition(b"\n")
        path, kept_as = json.loads(head)
        return Errand(path, tuple((sha, attempt) for sha, attempt in kept_as)), body
