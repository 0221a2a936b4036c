"""API keys of the CRM: shown once, kept as a keyed hash, several live at once."""

from __future__ import annotations

import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Connection, String, or_, select, text, update
from sqlalchemy.orm import Session

from core import ids
from core.errors import NotFound
from core.secrets import Secrets, keyed_hash
from db.models import ApiKey, Audit, UtcDateTime

PREFIX = "rop_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_CHARS = 43  # 43 base-62 digits carry 256 bits
CHECK_CHARS = 6  # CRC-32 in base 62: a typo is refused without a look into the database
SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{RANDOM_CHARS + CHECK_CHARS}}}")
TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class NewKey:
    """A fresh key; `plain` exists here alone."""

    key_id: str
    plain: str


@dataclass(frozen=True)
class Key:
    """A key as a request needs it."""

    key_id: str
    defaults: dict[str, Any]
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


# Every request asks this: as text it costs a third of the same question to the ORM.
BY_HASH = text("SELECT key_id, defaults, expires_at, revoked_at, last_used_at FROM api_keys WHERE key_hash = :key_hash").columns(
    key_id=String(), defaults=JSON(), expires_at=UtcDateTime(), revoked_at=UtcDateTime(), last_used_at=UtcDateTime()
)


def create(
    session: Session, server: Secrets, label: str, at: datetime, expires_at: datetime | None = None, defaults: dict[str, Any] | None = None
) -> NewKey:
    """Make a key; `defaults` are upload fields that a call gets when the CRM leaves them out (C16)."""
    return _insert(session, server, f"key_{ids.token(8)}", label, at, expires_at, defaults or {})


def rotate(session: Session, server: Secrets, key_id: str, at: datetime, keep: timedelta) -> NewKey:
    """Make a successor of the same integration; the old key lives on for `keep` at most. Raises `NotFound`."""
    old = get(session, key_id)
    generation = len(session.scalars(select(ApiKey.key_id).where(_of(integration(key_id)))).all()) + 1
    last_day = at + keep
    old.expires_at = min(old.expires_at, last_day) if old.expires_at else last_day
    _audit(session, at, "key.rotated", key_id)
    return _insert(session, server, f"{integration(key_id)}.{generation}", old.label, at, None, dict(old.defaults))


def revoke(session: Session, key_id: str, at: datetime) -> ApiKey:
    """End a key at once; a second time changes nothing. Raises `NotFound`."""
    row = get(session, key_id)
    if row.revoked_at is None:
        row.revoked_at = at
        _audit(session, at, "key.revoked", key_id)
    return row


def get(session: Session, key_id: str) -> ApiKey:
    """The key's row; raises `NotFound`."""
    row = session.get(ApiKey, key_id)
    if row is None:
        raise NotFound(ru="Такого ключа нет.", en="No such key.")
    return row


def listed(session: Session) -> list[ApiKey]:
    """Every key, also revoked and expired ones, oldest first."""
    return list(session.scalars(select(ApiKey).order_by(ApiKey.created_at, ApiKey.key_id)))


def find(connection: Connection | Session, server: Secrets, plain: str, at: datetime) -> Key | None:
    """The live key that `plain` is, or None: unknown, expired or revoked."""
    if not _well_formed(plain):
        return None
    for secret in server:
        row = connection.execute(BY_HASH, {"key_hash": _hash(secret, plain)}).first()
        if row is not None:
            key = Key(*row)
            return key if is_live(key, at) else None
    return None


def is_live(key: Key | ApiKey, at: datetime) -> bool:
    """Whether the key opens anything at `at`."""
    return key.revoked_at is None and (key.expires_at is None or at < key.expires_at)


def integration(key_id: str) -> str:
    """The id of the first key in a chain of rotations: calls and event addresses belong to it, so that a rotation moves nothing."""
    return key_id.split(".", 1)[0]


def needs_touch(key: Key | ApiKey, at: datetime) -> bool:
    """Whether the stored last use is old enough to be worth a write."""
    return key.last_used_at is None or at - key.last_used_at >= TOUCH_EVERY


def touch(session: Session, key_id: str, at: datetime) -> None:
    """Remember the last use, at most once a minute."""
    stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= at - TOUCH_EVERY)
    session.execute(update(ApiKey).where(ApiKey.key_id == key_id, stale).values(last_used_at=at))


def _insert(
    session: Session, server: Secrets, key_id: str, label: str, at: datetime, expires_at: datetime | None, defaults: dict[str, Any]
) -> NewKey:
    plain = _generate()
    row = ApiKey(key_id=key_id, label=label, hint=f"{PREFIX}…{plain[-4:]}", key_hash=_hash(server[0], plain), defaults=defaults)
    row.created_at, row.expires_at = at, expires_at
    session.add(row)
    _audit(session, at, "key.created", key_id)
    session.flush()
    return NewKey(key_id, plain)


def _of(root: str) -> Any:
    return or_(ApiKey.key_id == root, ApiKey.key_id.startswith(f"{root}.", autoescape=True))


def _generate() -> str:
    body = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARS))
    return f"{PREFIX}{body}{_check(body)}"


def _check(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECK_CHARS):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def _well_formed(plain: str) -> bool:
    if not SHAPE.fullmatch(plain):
        return False
    body = plain.removeprefix(PREFIX)
    return _check(body[:RANDOM_CHARS]) == body[RANDOM_CHARS:]


def _hash(secret: bytes, plain: str) -> str:
    return keyed_hash(secret, "api-key", plain)


def _audit(session: Session, at: datetime, action: str, key_id: str) -> None:
    session.add(Audit(at=at, actor="operator", action=action, subject=key_id, detail={}))
