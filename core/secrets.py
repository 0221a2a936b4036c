"""The server's own secret, kept outside the database: it keys the hashes of API keys and seals what has to be read again.

A stolen database opens nothing. Several secrets may be known at once, the newest first: the newest is used for what is made now, all of
them recognise what was made before, so the secret can be changed without ending a key.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import secrets
from pathlib import Path
from typing import ClassVar

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from core import ids
from core.errors import TransientError
from core.settings import Settings

FILE = "secret"
FILE_LINE = re.compile(r"[0-9a-f]{64}")
Secrets = tuple[bytes, ...]


class Unreadable(TransientError):
    """Something was sealed under a secret that this process does not know; the right settings make it readable."""

    code = "secret_unreadable"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Секрет подписи зашифрован другим секретом сервера: на всех хостах нужен один ROP_SECRET, старый через запятую после нового.",
        "en": "The signing secret was sealed under another server secret: give every host one ROP_SECRET, the former after the new one.",
    }


def server_secret(settings: Settings) -> Secrets:
    """`ROP_SECRET`, or the secrets in a 0600 file of the home folder, made on first use; the newest first.

    Several hosts on one database need the same `ROP_SECRET`; another secret makes every key unknown. A line of the file is recognised in
    `ROP_SECRET`, too, so that one host can become several.
    """
    if settings.secret is not None:
        given = [one.strip() for one in settings.secret.get_secret_value().split(",") if one.strip()]
        return (*(one.encode() for one in given), *(bytes.fromhex(one) for one in given if FILE_LINE.fullmatch(one)))
    path = settings.root / FILE
    if not path.exists():
        _write([_fresh()], path, replace=False)
    return tuple(bytes.fromhex(line) for line in path.read_text().split())


def rotate(settings: Settings) -> Secrets:
    """Put a fresh secret before the ones in the file of the home folder; all of them, the newest first."""
    known = [one.hex() for one in server_secret(settings)]
    _write([_fresh(), *known], settings.root / FILE, replace=True)
    return server_secret(settings)


def keyed_hash(secret: bytes, purpose: str, value: str) -> str:
    """HMAC-SHA256 of `value` in hex; `purpose` keeps hashes of different kinds apart."""
    return hmac.new(secret, f"{purpose}:{value}".encode(), "sha256").hexdigest()


def seal(secrets_known: Secrets, plain: str) -> str:
    """`plain`, readable only with the newest secret; another text every time."""
    return _fernet(secrets_known[0]).encrypt(plain.encode()).decode()


def unseal(secrets_known: Secrets, sealed: str) -> str:
    """What was sealed under any of the secrets; raises `Unreadable`."""
    try:
        return MultiFernet([_fernet(one) for one in secrets_known]).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable from None


def _fernet(secret: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hmac.digest(secret, b"seal", "sha256")))


def _fresh() -> str:
    return secrets.token_hex(32)


def _write(lines: list[str], path: Path, *, replace: bool) -> None:
    """Write the file whole or not at all: of several processes that make it at once, one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{FILE}-{ids.token(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(lines))
        file.flush()
        os.fsync(file.fileno())
    if replace:
        draft.replace(path)
        return
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
