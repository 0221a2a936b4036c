"""Named leases: one holder at a time, across processes and hosts; a holder that falls silent loses it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, delete, update
from sqlalchemy.orm import Session

from core import ids
from db.models import Lease
from db.upsert import insert_or_ignore


def acquire(session: Session, name: str, seconds: float, at: datetime) -> str | None:
    """A token for the lease until `at` + `seconds`, or None while somebody else holds it."""
    token, until = ids.token(), at + timedelta(seconds=seconds)
    if insert_or_ignore(session, Lease, {"name": name, "token": token, "until": until}):
        return token
    expired = and_(Lease.name == name, Lease.until < at)
    taken = session.execute(update(Lease).where(expired).values(token=token, until=until).returning(Lease.name)).first()
    return None if taken is None else token


def renew(session: Session, name: str, token: str, seconds: float, at: datetime) -> bool:
    """Prolong the lease; False when it has passed to somebody else or was released."""
    mine = and_(Lease.name == name, Lease.token == token)
    renewed = update(Lease).where(mine).values(until=at + timedelta(seconds=seconds)).returning(Lease.name)
    return session.execute(renewed).first() is not None


def release(session: Session, name: str, token: str) -> None:
    """Give the lease back; harmless when it is not held any more."""
    session.execute(delete(Lease).where(Lease.name == name, Lease.token == token))
