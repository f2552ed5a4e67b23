"""What went wrong with a call, and whether asking again can help."""

import email.utils
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

_MAX_DETAIL = 300
_HINTS = {
    401: "put its key as api_key under that name into conf/local/credentials.yml, or into the "
    "environment as <NAME>_API_KEY",
    403: "its key does not allow this",
    404: "check its url (most end in /v1) and its model",
}
# What cannot even be sent.
_HINT_OF_FORM = "check the form of its url and of its key"


@dataclass(frozen=True)
class Fault:
    """A call without an answer.

    `kind` is passing (ask again), throttled (ask again later), refused (this request is never
    answered) or settings (no request is ever answered). `retry_after` is seconds, null where the
    server named none.
    """

    kind: Literal["passing", "throttled", "refused", "settings"]
    detail: str
    retry_after: float | None = None
    hint: str = ""
    status: int | None = None


def classify_fault(error: Exception, *, hide: Callable[[str], str]) -> Fault:
    """Sort an error of the SDK or of the connection; `hide` removes secrets.

    A server error, a time-out or a broken connection may pass. 408, 409, 425 and 429 ask to come
    back; another 4xx is final.
    """
    import openai

    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return Fault("passing", "timed out")
    if not isinstance(error, openai.APIStatusError):
        cause = error.__cause__ or error
        told = hide(f"{type(cause).__name__}: {cause}")[:_MAX_DETAIL]
        if isinstance(cause, ValueError | OverflowError | TypeError):
            return Fault("settings", told, hint=_HINT_OF_FORM)
        return Fault("passing", told)
    status = error.status_code
    detail = hide(f"HTTP {status}: {_message(error)}")[:_MAX_DETAIL]
    wait = retry_after(error.response.headers)
    if status == 429 or (status == 503 and wait is not None):
        return Fault("throttled", detail, wait, status=status)
    if status in {408, 409, 425} or status >= 500:
        return Fault("passing", detail, wait, status=status)
    if status in _HINTS:
        return Fault("settings", detail, hint=_HINTS[status], status=status)
    return Fault("refused", detail, status=status)


def _message(error: Exception) -> str:
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        message = body.get("message") or body
        return str(message)
    return str(error)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read the seconds to wait from retry-after-ms or Retry-After (seconds or a date)."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * scale)
        except (KeyError, ValueError):
            continue
    try:
        at = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(0.0, at.timestamp() - time.time())
