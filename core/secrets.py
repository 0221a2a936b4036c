"""The server's own secret: it keys the hashes of API keys, so a stolen database opens nothing."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from core import ids
from core.settings import Settings

FILE = "secret"


def server_secret(settings: Settings) -> bytes:
    """`ROP_SECRET`, or the secret in a 0600 file of the home folder, made on first use.

    Several hosts on one database need the same `ROP_SECRET`; another secret makes every key unknown.
    """
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    path = settings.root / FILE
    if not path.exists():
        _create(path)
    return bytes.fromhex(path.read_text().strip())


def keyed_hash(secret: bytes, purpose: str, value: str) -> str:
    """HMAC-SHA256 of `value` in hex; `purpose` keeps hashes of different kinds apart."""
    return hmac.new(secret, f"{purpose}:{value}".encode(), "sha256").hexdigest()


def _create(path: Path) -> None:
    """Write a fresh secret whole or not at all: of several processes that start at once, one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{FILE}-{ids.token(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
