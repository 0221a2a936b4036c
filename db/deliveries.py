"""The webhook outbox: rows written with the results, claimed with a lease, tried on a schedule, never lost.

A delivery is `pending` until it is `delivered` or `dead`. Its attempts are counted when it is claimed, so a sender that dies in the
middle has used one. Whatever happens, every attempt carries the same id and the same bytes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, exists, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from core import ids
from core.errors import NotFound
from core.settings import Settings
from db import outbox
from db.models import Base, Delivery, DeliveryAttempt, Endpoint, UtcDateTime
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
    chosen = _choose(session, at, mine, limit, per_address, limit if failing_limit is None else failing_limit)
    if not chosen:
        return []
    values = {"lock_token": ids.token(), "locked_until": at + timedelta(seconds=lease_seconds), "attempts": Delivery.attempts + 1}
    # Once more, because on PostgreSQL another sender may have taken a row between our look and our grip. Only a pending row has a next
    # attempt; naming the state as well leads SQLite to search by it instead of by the ids.
    still_due = and_(Delivery.delivery_id.in_(chosen), Delivery.next_attempt_at <= at, _free(at))
    statement = update(Delivery).where(still_due).values(values).returning(Delivery)
    taken = session.scalars(statement.execution_options(synchronize_session=False, populate_existing=True))
    return sorted(taken, key=lambda row: (row.created_at, row.delivery_id))


def next_due(session: Session, at: datetime, *, overdue: bool) -> datetime | None:
    """The earliest moment after `at` at which something is to be tried; `overdue` counts what nobody holds and is due already."""
    waiting = select(func.min(Delivery.next_attempt_at)).join(Endpoint, Endpoint.endpoint_id == Delivery.endpoint_id)
    waiting = waiting.where(Endpoint.disabled_at.is_(None), Delivery.status == "pending", _free(at))
    return session.scalar(waiting if overdue else waiting.where(Delivery.next_attempt_at > at))


def owed(session: Session, call_id: str) -> bool:
    """Whether a webhook of the call is still to be delivered."""
    waiting = and_(Delivery.call_id == call_id, Delivery.status == "pending")
    return bool(session.scalar(select(exists().where(waiting))))


def hold(session: Session, delivery: Delivery, at: datetime, lease_seconds: float) -> None:
    """Claim this one delivery, made in the same transaction, before anybody else can see it."""
    delivery.lock_token, delivery.locked_until, delivery.attempts = ids.token(), at + timedelta(seconds=lease_seconds), 1
    session.flush()


def record(session: Session, delivery: Delivery, attempt: Attempt, settings: Settings) -> Delivery:
    """`record_all` of one; the delivery as it is now."""
    record_all(session, [(delivery, attempt)], settings)
    return session.get_one(Delivery, delivery.delivery_id, populate_existing=True)


def record_all(session: Session, met: Sequence[tuple[Delivery, Attempt]], settings: Settings) -> list[str]:
    """Store what claimed deliveries met and what follows from it: their states, `delivered`, `pending` or `dead`.

    A sender that lost its claim meanwhile adds to the log and decides nothing, except that a success is a success. What was deleted
    meanwhile, with its call, is left out.
    """
    met = _still_there(session, met)
    if not met:
        return []
    session.execute(insert(DeliveryAttempt), [_row(delivery, attempt) for delivery, attempt in met])
    _judge_addresses(session, met, settings)
    outcomes = [_outcome(delivery, attempt, settings) for delivery, attempt in met]
    session.connection().execute(_SETTLE, outcomes)
    outbox.all_changed(session, (delivery.call_id for delivery, _ in met), max(attempt.at for _, attempt in met))
    return [outcome["new_status"] for outcome in outcomes]


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


def _still_there(session: Session, met: Sequence[tuple[Delivery, Attempt]]) -> list[tuple[Delivery, Attempt]]:
    sent = [delivery.delivery_id for delivery, _ in met]
    rows = select(Delivery.delivery_id).where(Delivery.delivery_id.in_(sent)).order_by(Delivery.delivery_id).with_for_update()
    known = set(session.scalars(rows)) if sent else set()
    return [(delivery, attempt) for delivery, attempt in met if delivery.delivery_id in known]


def _free(at: datetime) -> ColumnElement[bool]:
    return or_(Delivery.locked_until.is_(None), Delivery.locked_until < at)


def _choose(session: Session, at: datetime, due: ColumnElement[bool], limit: int, per_address: int, failing_limit: int) -> list[str]:
    """Ids to take, the oldest of every address in turn; address by address, so that a backlog of one costs the others nothing."""
    busy = _in_flight(session, at)
    healthy: list[list[str]] = []
    failing: list[list[str]] = []
    for endpoint_id, fails in session.execute(_waiting(due)):
        share = (1 if fails else per_address) - busy[endpoint_id]
        if share > 0:
            (failing if fails else healthy).append(_oldest(session, endpoint_id, due, share))
    first = _in_turn(healthy)
    return [*first, *_in_turn(failing)[:failing_limit]][:limit]


def _waiting(due: ColumnElement[bool]) -> Select[tuple[str, bool]]:
    """Addresses that something is due for, and whether they fail."""
    any_due = exists().where(Delivery.endpoint_id == Endpoint.endpoint_id, due)
    return select(Endpoint.endpoint_id, Endpoint.failing_since.is_not(None)).where(Endpoint.disabled_at.is_(None), any_due)


def _in_flight(session: Session, at: datetime) -> Counter[str]:
    """Claimed deliveries by address; counted here, because grouping makes SQLite read the whole table."""
    return Counter(session.scalars(select(Delivery.endpoint_id).where(Delivery.locked_until >= at)))


def _oldest(session: Session, endpoint_id: str, due: ColumnElement[bool], share: int) -> list[str]:
    mine = select(Delivery.delivery_id).where(Delivery.endpoint_id == endpoint_id, due)
    return list(session.scalars(mine.order_by(Delivery.next_attempt_at).limit(share)))


def _in_turn(queues: list[list[str]]) -> list[str]:
    return [one for turn in zip_longest(*queues) for one in turn if one is not None]


def _row(delivery: Delivery, attempt: Attempt) -> dict[str, Any]:
    values = {"at": attempt.at, "seconds": round(attempt.seconds, 3), "status_code": attempt.status_code, "error_code": attempt.error_code}
    return {"delivery_id": delivery.delivery_id, "number": delivery.attempts, "response": attempt.response, **values}


_TABLE = Base.metadata.tables["deliveries"]
# One statement for a whole batch: state by state it would cost more than the posts themselves.
_SETTLE = (
    update(_TABLE)
    .where(
        _TABLE.c.delivery_id == bindparam("id"),
        or_(_TABLE.c.lock_token == bindparam("token"), literal("delivered") == bindparam("new_status", type_=String)),
    )
    .values(
        status=bindparam("new_status", type_=String),
        next_attempt_at=bindparam("again", type_=UtcDateTime),
        delivered_at=func.coalesce(bindparam("delivered", type_=UtcDateTime), _TABLE.c.delivered_at),
        lock_token=None,
        locked_until=None,
    )
)


def _outcome(delivery: Delivery, attempt: Attempt, settings: Settings) -> dict[str, Any]:
    mine = {"id": delivery.delivery_id, "token": delivery.lock_token}
    if attempt.succeeded:
        return mine | {"new_status": "delivered", "delivered": attempt.at, "again": None}
    again = None if attempt.hopeless or attempt.status_code == GONE else _again(delivery, attempt, settings)
    return mine | {"new_status": "pending" if again else "dead", "delivered": None, "again": again}


def _again(delivery: Delivery, attempt: Attempt, settings: Settings) -> datetime | None:
    wish = min(attempt.retry_after or 0.0, settings.webhook_retry_after_seconds) if attempt.status_code in SLOW_DOWN else None
    return next_attempt_at(delivery.delivery_id, delivery.attempts, attempt.at + timedelta(seconds=attempt.seconds), wish)


def _judge_addresses(session: Session, met: Sequence[tuple[Delivery, Attempt]], settings: Settings) -> None:
    """A success clears the address; failures alone for five days, or a 410, disable it."""
    ids_met = {delivery.endpoint_id for delivery, _ in met}
    rows = session.scalars(select(Endpoint).where(Endpoint.endpoint_id.in_(ids_met)).execution_options(populate_existing=True))
    known = {row.endpoint_id: row for row in rows}
    for delivery, attempt in met:
        endpoint = known[delivery.endpoint_id]
        if attempt.succeeded:
            endpoint.failing_since = None
            continue
        endpoint.failing_since = endpoint.failing_since or attempt.at
        tired = attempt.at - endpoint.failing_since > timedelta(seconds=settings.webhook_give_up_seconds)
        if attempt.status_code == GONE or tired:
            endpoint.disabled_at, endpoint.disabled_reason = attempt.at, "gone" if attempt.status_code == GONE else "failing"
    session.flush()


def _restart(session: Session, at: datetime, which: ColumnElement[bool]) -> int:
    anew = {"status": "pending", "attempts": 0, "next_attempt_at": at, "lock_token": None, "locked_until": None}
    # A body that was deleted after its time cannot be sent.
    sendable = and_(which, func.length(Delivery.body) > 0)
    restarted = session.scalars(update(Delivery).where(sendable).values(anew).returning(Delivery.call_id)).all()
    outbox.all_changed(session, restarted, at)
    return len(restarted)
