"""The webhook outbox: rows written with the results, claimed with a lease, tried on a schedule, never lost.

A delivery is `pending` until it is `delivered` or `dead`. Its attempts are counted when it is claimed, so a sender that dies in the
middle has used one. Whatever happens, every attempt carries the same id and the same bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Subquery, and_, func, or_, select, update
from sqlalchemy.orm import Session

from core import ids
from core.errors import NotFound
from core.settings import Settings
from db import endpoints
from db.models import Delivery, DeliveryAttempt, Endpoint
from db.upsert import insert_or_ignore

# Seconds before attempts 1 to 8 (C35); together 27.6 hours.
SCHEDULE = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0)
JITTER = 0.2
GONE = 410
SLOW_DOWN = frozenset({429, 503})


@dataclass(frozen=True)
class Attempt:
    """What one attempt met: an HTTP status, or `error_code`. `hopeless` means that a repeat cannot help.

    `seconds` is its whole duration, `retry_after` the other side's wish in seconds, `response` the first characters of its answer.
    """

    at: datetime
    seconds: float
    status_code: int | None = None
    error_code: str | None = None
    response: str = ""
    retry_after: float | None = None
    hopeless: bool = False

    @property
    def succeeded(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


@dataclass(frozen=True)
class Logged:
    """A delivery with its attempts, oldest first."""

    delivery: Delivery
    attempts: tuple[DeliveryAttempt, ...]


def enqueue(
    session: Session,
    *,
    call_id: str | None,
    event: str,
    endpoint: Endpoint,
    kind: str,
    definition_id: str,
    version: str,
    revision: int,
    body: bytes,
    at: datetime,
) -> Delivery | None:
    """Put a webhook into the outbox, due at once; None when this very one is there already."""
    delivery_id = ids.stable_id("msg", call_id or "", kind, definition_id, version, revision)
    values = {"delivery_id": delivery_id, "call_id": call_id, "event": event, "endpoint_id": endpoint.endpoint_id, "body": body}
    state = {"status": "pending", "attempts": 0, "created_at": at, "next_attempt_at": at}
    if not insert_or_ignore(session, Delivery, values | state):
        return None
    return session.get_one(Delivery, delivery_id)


def claim_due(
    session: Session,
    at: datetime,
    limit: int,
    lease_seconds: float,
    call_id: str | None = None,
    *,
    per_address: int = 4,
    failing_limit: int | None = None,
) -> list[Delivery]:
    """Take up to `limit` due deliveries for `lease_seconds`, the addresses in turn.

    No address has more than `per_address` in flight. One that fails has one at most, comes after the healthy ones, and all failing ones
    together get no more than `failing_limit`.
    """
    due = and_(Delivery.status == "pending", Delivery.next_attempt_at <= at, _free(at))
    mine = due if call_id is None else and_(due, Delivery.call_id == call_id)
    until = at + timedelta(seconds=lease_seconds)
    taken = _take(session, due, _fair(at, mine, limit, per_address, failing=False), until)
    left = limit - len(taken)
    left = left if failing_limit is None else min(left, failing_limit)
    if left > 0:
        taken += _take(session, due, _fair(at, mine, left, 1, failing=True), until)
    rows = select(Delivery).where(Delivery.delivery_id.in_(taken)).order_by(Delivery.created_at, Delivery.delivery_id)
    return list(session.scalars(rows.execution_options(populate_existing=True)))


def hold(session: Session, delivery: Delivery, at: datetime, lease_seconds: float) -> None:
    """Claim this one delivery, made in the same transaction, before anybody else can see it."""
    delivery.lock_token, delivery.locked_until, delivery.attempts = ids.token(), at + timedelta(seconds=lease_seconds), 1
    session.flush()


def record(session: Session, delivery: Delivery, attempt: Attempt, settings: Settings) -> Delivery:
    """Store what a claimed delivery met and what follows from it: delivered, a next attempt, or a dead letter.

    A sender that lost its claim meanwhile adds to the log and decides nothing, except that a success is a success.
    """
    session.add(
        DeliveryAttempt(
            delivery_id=delivery.delivery_id,
            number=delivery.attempts,
            at=attempt.at,
            seconds=round(attempt.seconds, 3),
            status_code=attempt.status_code,
            error_code=attempt.error_code,
            response=attempt.response,
        )
    )
    _judge_address(session, delivery, attempt, settings)
    mine = Delivery.delivery_id == delivery.delivery_id
    if not attempt.succeeded:
        mine = and_(mine, Delivery.lock_token == delivery.lock_token)
    free = {"lock_token": None, "locked_until": None}
    session.execute(update(Delivery).where(mine).values(_outcome(delivery, attempt, settings) | free))
    return session.get_one(Delivery, delivery.delivery_id, populate_existing=True)


def next_attempt_at(delivery_id: str, attempts: int, failed_at: datetime, retry_after: float | None = None) -> datetime | None:
    """When to try again after `attempts` attempts, or None when they were the last.

    The jitter comes from the delivery's own id: many deliveries spread, one is the same in every process.
    """
    if attempts >= len(SCHEDULE):
        return None
    digest = hashlib.sha256(f"{delivery_id}:{attempts}".encode()).digest()
    share = int.from_bytes(digest[:4]) / 0xFFFFFFFF
    wait = SCHEDULE[attempts] * (1 - JITTER + 2 * JITTER * share)
    return failed_at + timedelta(seconds=max(wait, retry_after or 0.0))


def replay(session: Session, delivery_id: str, at: datetime) -> Delivery:
    """Send it again from the start of the schedule, whatever became of it; raises `NotFound`."""
    if not _restart(session, at, Delivery.delivery_id == delivery_id):
        raise NotFound(ru="Такой доставки нет.", en="No such delivery.")
    return session.get_one(Delivery, delivery_id, populate_existing=True)


def replay_since(session: Session, endpoint_id: str | None, since: datetime, at: datetime) -> int:
    """Send all dead letters made since then again, of one address or of all; their number."""
    dead = and_(Delivery.status == "dead", Delivery.created_at >= since)
    return _restart(session, at, dead if endpoint_id is None else and_(dead, Delivery.endpoint_id == endpoint_id))


def log(
    session: Session, *, call_id: str | None = None, endpoint_id: str | None = None, status: str | None = None, limit: int = 100
) -> list[Logged]:
    """Deliveries with their attempts, newest first."""
    wanted = select(Delivery).order_by(Delivery.created_at.desc(), Delivery.delivery_id).limit(limit)
    for column, value in ((Delivery.call_id, call_id), (Delivery.endpoint_id, endpoint_id), (Delivery.status, status)):
        wanted = wanted if value is None else wanted.where(column == value)
    found = list(session.scalars(wanted.execution_options(populate_existing=True)))
    attempts: dict[str, list[DeliveryAttempt]] = {row.delivery_id: [] for row in found}
    made = select(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_(attempts)).order_by(DeliveryAttempt.attempt_id)
    for attempt in session.scalars(made):
        attempts[attempt.delivery_id].append(attempt)
    return [Logged(row, tuple(attempts[row.delivery_id])) for row in found]


def count_by_status(session: Session) -> dict[str, int]:
    """How many deliveries are in each state."""
    return dict(session.execute(select(Delivery.status, func.count()).group_by(Delivery.status)).tuples().all())


def _free(at: datetime) -> ColumnElement[bool]:
    return or_(Delivery.locked_until.is_(None), Delivery.locked_until < at)


def _take(session: Session, due: ColumnElement[bool], chosen: Subquery, until: datetime) -> list[str]:
    values = {"lock_token": ids.token(), "locked_until": until, "attempts": Delivery.attempts + 1}
    # `due` again, because on PostgreSQL another sender may have taken a row between our look and our grip.
    mine = Delivery.delivery_id.in_(select(chosen.c.delivery_id))
    statement = update(Delivery).where(mine, due).values(values).returning(Delivery.delivery_id)
    return list(session.scalars(statement.execution_options(synchronize_session=False)))


def _fair(at: datetime, due: ColumnElement[bool], limit: int, share: int, *, failing: bool) -> Subquery:
    """The ids to take: the oldest of every address up to its share, addresses in turn."""
    place = func.row_number().over(partition_by=Delivery.endpoint_id, order_by=(Delivery.next_attempt_at, Delivery.delivery_id))
    ranked = select(Delivery.delivery_id, Delivery.endpoint_id, place.label("place")).where(due).subquery()
    locked = and_(Delivery.status == "pending", Delivery.locked_until >= at)
    busy = select(Delivery.endpoint_id, func.count().label("count")).where(locked).group_by(Delivery.endpoint_id).subquery()
    state = Endpoint.failing_since.is_not(None) if failing else Endpoint.failing_since.is_(None)
    return (
        select(ranked.c.delivery_id)
        .join(Endpoint, Endpoint.endpoint_id == ranked.c.endpoint_id)
        .outerjoin(busy, busy.c.endpoint_id == ranked.c.endpoint_id)
        .where(Endpoint.disabled_at.is_(None), state, ranked.c.place + func.coalesce(busy.c.count, 0) <= share)
        .order_by(ranked.c.place)
        .limit(limit)
        .subquery()
    )


def _outcome(delivery: Delivery, attempt: Attempt, settings: Settings) -> dict[str, object]:
    if attempt.succeeded:
        return {"status": "delivered", "delivered_at": attempt.at, "next_attempt_at": None}
    wish = min(attempt.retry_after or 0.0, settings.webhook_retry_after_seconds) if attempt.status_code in SLOW_DOWN else None
    hopeless = attempt.hopeless or attempt.status_code == GONE
    again = (
        None
        if hopeless
        else next_attempt_at(delivery.delivery_id, delivery.attempts, attempt.at + timedelta(seconds=attempt.seconds), wish)
    )
    return {"status": "pending" if again else "dead", "next_attempt_at": again}


def _judge_address(session: Session, delivery: Delivery, attempt: Attempt, settings: Settings) -> None:
    """A success clears the address; failures alone for five days, or a 410, disable it."""
    endpoint = session.get_one(Endpoint, delivery.endpoint_id, populate_existing=True)
    if attempt.succeeded:
        endpoint.failing_since = None
        return
    endpoint.failing_since = endpoint.failing_since or attempt.at
    tired = attempt.at - endpoint.failing_since > timedelta(seconds=settings.webhook_give_up_seconds)
    if attempt.status_code == GONE or tired:
        endpoints.disable(session, endpoint.endpoint_id, attempt.at, "gone" if attempt.status_code == GONE else "failing")


def _restart(session: Session, at: datetime, which: ColumnElement[bool]) -> int:
    anew = {"status": "pending", "attempts": 0, "next_attempt_at": at, "lock_token": None, "locked_until": None}
    return len(session.scalars(update(Delivery).where(which).values(anew).returning(Delivery.delivery_id)).all())
