"""Content-hash identifiers: the same thing is named the same way in every run."""

import hashlib
import json
from collections.abc import Iterable

# Joins parts before hashing; cleaned text never holds it, so ("ab", "c") and ("a", "bc") differ.
_SEPARATOR = "\x1f"


def content_id(prefix: str, *parts: object) -> str:
    """Name a row by what it holds: `prefix-` and 16 hex digits of a SHA-256 over `parts`."""
    text = _SEPARATOR.join(str(part) for part in parts)
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def fingerprint(value: object) -> str:
    """Hash any JSON-like value; key order does not matter."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def seeded_order(ids: Iterable[str], *, seed: int) -> list[str]:
    """Shuffle ids by hash, so that adding one id leaves the order of the others unchanged."""
    return sorted(ids, key=lambda one: hashlib.sha256(f"{seed}{_SEPARATOR}{one}".encode()).digest())


def is_chosen(one: str, *, share: float, seed: int) -> bool:
    """Draw by hash: about `share` (0 to 1) of all strings are chosen, each by itself alone."""
    digest = hashlib.sha256(f"{seed}{_SEPARATOR}{one}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
