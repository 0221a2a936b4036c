"""Addresses that receive webhooks, and the secrets that sign what is sent there.

An address that was removed keeps its row without a URL, because the log of what was sent to it stays. Secrets are stored sealed: whoever
reads or makes one brings the server's secrets as `server`.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import Session

from core import ids
from core.errors import NotFound
from core.secrets import Secrets, seal, unseal
from db.models import Delivery, Endpoint, EndpointSecret

OwnerKind = Literal["checklist", "table", "key"]

SECRET_PREFIX = "whsec_"  # noqa: S105  the public prefix of the Standard Webhooks specification
SECRET_BYTES = 32
REMOVED = "removed"


@dataclass(frozen=True)
class Address:
    """All that sending to an endpoint takes; `failing` when the last thing heard from it was a failure."""

    url: str
    sealed: tuple[str, ...]
    failing: bool

    def secrets(self, server: Secrets) -> list[str]:
        """The secrets that sign, newest first; raises `Unreadable`."""
        return [unseal(server, one) for one in self.sealed]


def set_url(session: Session, server: Secrets, owner_kind: OwnerKind, owner_id: str, url: str, at: datetime) -> Endpoint:
    """The owner's address, made or changed; a new one gets a secret at once, a changed one keeps its secret and is enabled."""
    endpoint_id = ids.stable_id("ep", owner_kind, owner_id)
    endpoint = session.get(Endpoint, endpoint_id)
    if endpoint is None:
        endpoint = Endpoint(endpoint_id=endpoint_id, owner_kind=owner_kind, owner_id=owner_id, url="", created_at=at)
        session.add(endpoint)
    if endpoint.url != url:
        endpoint.url = url
        _forgive(endpoint)
    session.flush()
    if not _live(session, endpoint_id, at):
        new_secret(session, server, endpoint_id, at)
    return endpoint


def get(session: Session, owner_kind: OwnerKind, owner_id: str) -> Endpoint | None:
    """The owner's address, also a disabled one; None when it has none."""
    endpoint = session.get(Endpoint, ids.stable_id("ep", owner_kind, owner_id))
    return endpoint if endpoint is not None and endpoint.url else None


def by_id(session: Session, endpoint_id: str) -> Endpoint:
    """The address; raises `NotFound`, also for a removed one."""
    endpoint = session.get(Endpoint, endpoint_id, populate_existing=True)
    if endpoint is None or not endpoint.url:
        raise NotFound(ru="Адреса вебхука нет.", en="No such webhook address.")
    return endpoint


def addresses(session: Session, endpoint_ids: Collection[str], at: datetime) -> dict[str, Address]:
    """Where and under which signatures to send, by endpoint id."""
    secrets_of: dict[str, list[str]] = {endpoint_id: [] for endpoint_id in endpoint_ids}
    for row in session.scalars(_lasting(at).where(EndpointSecret.endpoint_id.in_(endpoint_ids))):
        secrets_of[row.endpoint_id].append(row.secret)
    rows = session.scalars(select(Endpoint).where(Endpoint.endpoint_id.in_(endpoint_ids)).execution_options(populate_existing=True))
    return {e.endpoint_id: Address(e.url, tuple(secrets_of[e.endpoint_id]), e.failing_since is not None) for e in rows}


def every(session: Session) -> list[Endpoint]:
    """All addresses, by owner."""
    return list(session.scalars(select(Endpoint).where(Endpoint.url != "").order_by(Endpoint.owner_kind, Endpoint.owner_id)))


def remove(session: Session, owner_kind: OwnerKind, owner_id: str, at: datetime) -> None:
    """Forget the address and its secrets; what was waiting for it becomes dead letters."""
    endpoint = get(session, owner_kind, owner_id)
    if endpoint is None:
        return
    disable(session, endpoint.endpoint_id, at, REMOVED)
    endpoint.url = ""
    session.execute(update(EndpointSecret).where(EndpointSecret.endpoint_id == endpoint.endpoint_id).values(expires_at=at))
    waiting = (Delivery.endpoint_id == endpoint.endpoint_id, Delivery.status == "pending")
    session.execute(update(Delivery).where(*waiting).values(status="dead", next_attempt_at=None, lock_token=None, locked_until=None))


def disable(session: Session, endpoint_id: str, at: datetime, reason: str) -> None:
    """Send nothing there until `enable` or a new URL; deliveries wait."""
    endpoint = session.get_one(Endpoint, endpoint_id, populate_existing=True)
    endpoint.disabled_at, endpoint.disabled_reason = at, reason
    session.flush()


def enable(session: Session, endpoint_id: str) -> None:
    """Send again; what waited meanwhile is due."""
    _forgive(by_id(session, endpoint_id))
    session.flush()


def new_secret(session: Session, server: Secrets, endpoint_id: str, at: datetime) -> str:
    """Add a fresh secret (`whsec_` and the base64 of 32 random bytes) without touching the others."""
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    session.add(EndpointSecret(endpoint_id=endpoint_id, secret=seal(server, secret), created_at=at))
    session.flush()
    return secret


def rotate(session: Session, server: Secrets, endpoint_id: str, at: datetime, overlap: timedelta) -> str:
    """A fresh secret; the one before signs beside it for `overlap`, older ones end now."""
    by_id(session, endpoint_id)
    for place, old in enumerate(_live(session, endpoint_id, at)):
        ends = at + overlap if place == 0 else at
        old.expires_at = min(old.expires_at or ends, ends)
    return new_secret(session, server, endpoint_id, at)


def live_secrets(session: Session, server: Secrets, endpoint_id: str, at: datetime) -> list[str]:
    """The secrets that sign at this moment, newest first; raises `Unreadable`."""
    return [unseal(server, row.secret) for row in _live(session, endpoint_id, at)]


def reseal(session: Session, server: Secrets) -> int:
    """Seal every secret anew under the newest server secret; how many there are. Raises `Unreadable`."""
    rows = session.scalars(select(EndpointSecret)).all()
    for row in rows:
        row.secret = seal(server, unseal(server, row.secret))
    session.flush()
    return len(rows)


def _live(session: Session, endpoint_id: str, at: datetime) -> list[EndpointSecret]:
    return list(session.scalars(_lasting(at).where(EndpointSecret.endpoint_id == endpoint_id)))


def _lasting(at: datetime) -> Select[tuple[EndpointSecret]]:
    """Secrets that sign at this moment, newest first."""
    lasting = or_(EndpointSecret.expires_at.is_(None), EndpointSecret.expires_at > at)
    return select(EndpointSecret).where(lasting).order_by(EndpointSecret.secret_id.desc())


def _forgive(endpoint: Endpoint) -> None:
    endpoint.disabled_at = endpoint.disabled_reason = endpoint.failing_since = None
