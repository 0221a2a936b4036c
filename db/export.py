"""What the warehouse needs: pending calls of the load outbox, and the present state of calls as plain rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session

from db.calls import TERMINAL
from db.engine import Database
from db.models import (
    Base,
    Call,
    DefinitionRow,
    DefinitionVersion,
    Delivery,
    DeliveryAttempt,
    Endpoint,
    LoadOutbox,
    Manager,
    Membership,
    Office,
    Override,
    Recording,
    Result,
    TranscriptRow,
)

TRANSCRIPTS_AT_ONCE = 20  # decoded with their words before those are dropped: a 45-minute one is about a megabyte of JSON

Row = dict[str, Any]


@dataclass(frozen=True)
class Pending:
    """Outbox rows that are not loaded: their numbers and the calls they name."""

    rows: tuple[tuple[int, str], ...]

    @property
    def call_ids(self) -> tuple[str, ...]:
        """The calls without repeats."""
        return tuple(dict.fromkeys(call_id for _, call_id in self.rows))

    @property
    def last(self) -> int:
        """The highest number, 0 when nothing is pending."""
        return self.rows[-1][0] if self.rows else 0

    def without(self, call_ids: Collection[str]) -> list[int]:
        """The numbers of the rows that name other calls."""
        return [seq for seq, call_id in self.rows if call_id not in call_ids]


@contextmanager
def snapshot(database: Database) -> Iterator[Session]:
    """A session in which everything that is read belongs to one moment."""
    with database.read() as session:
        if not database.is_sqlite:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


def pending(session: Session, after: int, limit: int) -> Pending:
    """The next `limit` rows with a number above `after`."""
    waiting = (LoadOutbox.loaded_at.is_(None), LoadOutbox.seq > after)
    rows = select(LoadOutbox.seq, LoadOutbox.call_id).where(*waiting).order_by(LoadOutbox.seq).limit(limit)
    return Pending(tuple((seq, call_id) for seq, call_id in session.execute(rows)))


def mark_loaded(session: Session, seqs: Sequence[int], at: datetime) -> None:
    """The warehouse shows these rows; a row added since stays pending, whatever its number."""
    session.execute(update(LoadOutbox).where(LoadOutbox.seq.in_(seqs)).values(loaded_at=at))


def forget_loaded(session: Session, before: datetime) -> None:
    """Drop outbox rows that were loaded before `before`."""
    session.execute(delete(LoadOutbox).where(LoadOutbox.loaded_at < before))


def reportable() -> Any:
    """The condition for a call to be in the warehouse: it came to an end, or has a result from before."""
    scored = exists().where(Result.call_id == Call.call_id, Result.superseded_at.is_(None))
    return or_(Call.status.in_(TERMINAL), scored)


def reportable_ids(session: Session, after: str, limit: int) -> tuple[str, ...]:
    """The next `limit` reportable calls in order of their ids."""
    page = select(Call.call_id).where(reportable(), Call.call_id > after).order_by(Call.call_id).limit(limit)
    return tuple(session.scalars(page))


def states(session: Session, call_ids: Sequence[str]) -> list[Row]:
    """The present state of the reportable ones of these calls.

    Keys: `call`, `recording`, `transcript`, `results`, `overrides`, `deliveries`. Call it inside `snapshot`.
    """
    calls = session.scalars(select(Call).where(Call.call_id.in_(call_ids), reportable()).order_by(Call.call_id))
    recordings = {r.call_id: _row(r) for r in session.scalars(select(Recording).where(Recording.call_id.in_(call_ids)))}
    transcripts = dict(_transcripts(session, call_ids))
    results = _grouped(session, Result, (Result.call_id.in_(call_ids), Result.superseded_at.is_(None)), Result.result_id)
    overrides = _grouped(session, Override, (Override.call_id.in_(call_ids), Override.superseded_at.is_(None)), Override.override_id)
    deliveries = _deliveries(session, call_ids)
    return [
        {
            "call": _row(call),
            "recording": recordings.get(call.call_id),
            "transcript": transcripts.get(call.call_id),
            "results": results[call.call_id],
            "overrides": overrides[call.call_id],
            "deliveries": deliveries[call.call_id],
        }
        for call in calls
    ]


def dimensions(session: Session) -> dict[str, list[Row]]:
    """All rows of `managers`, `offices`, `memberships`, `definitions` and `definition_versions`, the latter with their content."""
    return {
        "managers": [_row(row) for row in session.scalars(select(Manager).order_by(Manager.manager_id))],
        "offices": [_row(row) for row in session.scalars(select(Office).order_by(Office.office_id))],
        "memberships": [_row(row) for row in session.scalars(select(Membership).order_by(Membership.membership_id))],
        "definitions": [_row(row) for row in session.scalars(select(DefinitionRow))],
        "definition_versions": [_row(row) for row in session.scalars(select(DefinitionVersion).order_by(DefinitionVersion.number))],
    }


def _row(row: Base) -> Row:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}


def _grouped(session: Session, model: type[Base], where: Sequence[Any], order: Any) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in session.scalars(select(model).where(*where).order_by(order)):
        found[row.call_id].append(_row(row))  # type: ignore[attr-defined]
    return found


def _transcripts(session: Session, call_ids: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """Transcripts without their words, which the warehouse does not keep."""
    wanted = select(TranscriptRow.call_id, TranscriptRow.engine, TranscriptRow.model, TranscriptRow.content)
    found = session.execute(wanted.where(TranscriptRow.call_id.in_(call_ids)).execution_options(yield_per=TRANSCRIPTS_AT_ONCE))
    for call_id, engine, model, content in found:
        utterances = [{k: v for k, v in utterance.items() if k != "words"} for utterance in content["utterances"]]
        yield call_id, {**content, "utterances": utterances, "engine": engine, "model": model}


def _deliveries(session: Session, call_ids: Sequence[str]) -> dict[str, list[Row]]:
    """Deliveries with the owner of their address and their attempts in order."""
    same = ("delivery_id", "event", "endpoint_id", "status", "attempts", "created_at", "delivered_at")
    columns = (Delivery.call_id, *(getattr(Delivery, name) for name in same), Endpoint.owner_kind, Endpoint.owner_id)
    sent = select(*columns).join(Endpoint, Endpoint.endpoint_id == Delivery.endpoint_id).where(Delivery.call_id.in_(call_ids))
    attempts = _attempts(session, call_ids)
    rows: dict[str, list[Row]] = defaultdict(list)
    for found in session.execute(sent.order_by(Delivery.created_at, Delivery.delivery_id)).mappings():
        rows[found["call_id"]].append({**found, "attempts_made": attempts[found["delivery_id"]]})
    return rows


def _attempts(session: Session, call_ids: Sequence[str]) -> dict[str, list[Row]]:
    same = ("delivery_id", "at", "seconds", "status_code", "error_code")
    made = select(*(getattr(DeliveryAttempt, name) for name in same)).join(Delivery, Delivery.delivery_id == DeliveryAttempt.delivery_id)
    rows: dict[str, list[Row]] = defaultdict(list)
    for found in session.execute(made.where(Delivery.call_id.in_(call_ids)).order_by(DeliveryAttempt.attempt_id)).mappings():
        rows[found["delivery_id"]].append(dict(found))
    return rows
