"""The only source of identifiers: random tokens, and hashes that name the same thing the same way every time."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any


def token(nbytes: int = 16) -> str:
    """A random hex token of `nbytes` bytes of entropy."""
    return secrets.token_hex(nbytes)


def canonical_json(value: Any) -> bytes:
    """The one byte form of a JSON value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def content_hash(value: Any, length: int = 12) -> str:
    """The first `length` hex digits of the SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value)).hexdigest()[:length]


def stable_id(prefix: str, *parts: str | int) -> str:
    """An id that is the same for the same parts: `prefix_` and 32 hex digits."""
    return f"{prefix}_{content_hash(list(parts), 32)}"
