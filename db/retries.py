"""Calls that failed or were put off and may be tried again: which they are, and beginning one anew under the flow run that it has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from db.calls import OLDEST_FIRST, POSTPONED, UPDATE, get, note, postponed
from db.models import Call, CallEvent


@dataclass(frozen=True)
class Stopped:
    """A call that failed or waits: its reason code, whether its error was one that a repeat may help, its flow run and whose turn it is."""

    call_id: str
    code: str
    waits: bool
    transient: bool
    flow_run_id: str | None
    attempt: int
    priority: str


def stopped_since(session: Session, since: datetime, at: datetime) -> list[Stopped]:
    """Those of the calls received since `since`, oldest first; one whose text has expired has nothing left to begin with."""
    return _stopped(session, and_(Call.received_at >= since, Call.text_deleted_at.is_(None)), at)


def stopped_of(session: Session, call_ids: Collection[str], at: datetime) -> list[Stopped]:
    """Those of the calls named."""
    return _stopped(session, and_(Call.call_id.in_(call_ids), Call.text_deleted_at.is_(None)), at)


def begin_anew(session: Session, call: Stopped, at: datetime, *, keep_run: bool) -> bool:
    """Let the call wait as its next attempt, for its flow run or for one that is yet to be made; false when it has moved on meanwhile."""
    anew: dict[str, Any] = {"attempt": call.attempt + 1, "runs": 0, "progress": 0.0, "reason": None, "reason_code": None}
    free = {"finished_at": None, "lease_token": None, "lease_until": None}
    run = {"status": "queued", "triggered_at": at} if keep_run else {"status": "received", "triggered_at": None, "flow_run_id": None}
    same = and_(Call.call_id == call.call_id, postponed(at) if call.waits else Call.status == "failed", Call.attempt == call.attempt)
    if session.execute(UPDATE.where(same).values(anew | free | run).returning(Call.call_id)).first() is None:
        return False
    note(session, get(session, call.call_id), "retried", at, code=call.code)
    return True


def _stopped(session: Session, wanted: ColumnElement[bool], at: datetime) -> list[Stopped]:
    """The last stop in the timeline tells of what kind the reason is."""
    stops = and_(CallEvent.call_id == Call.call_id, CallEvent.name.in_(("failed", POSTPONED)))
    told = select(Call, CallEvent.detail).join(CallEvent, stops).where(wanted, or_(Call.status == "failed", postponed(at)))
    found = session.execute(told.order_by(*OLDEST_FIRST, CallEvent.event_id)).tuples()
    return list({call.call_id: _as_stopped(call, detail) for call, detail in found}.values())


def _as_stopped(call: Call, detail: dict[str, Any]) -> Stopped:
    told = (call.reason_code or "", call.status != "failed", bool(detail.get("transient")))
    return Stopped(call.call_id, *told, call.flow_run_id, call.attempt, call.priority)
