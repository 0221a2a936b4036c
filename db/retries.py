"""Failed calls that may be tried again: which they are, and beginning one anew under the flow run that it has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from db.calls import UPDATE, get, note
from db.models import Call, CallEvent


@dataclass(frozen=True)
class Failed:
    """A failed call: its reason code, whether its error was one that a repeat may help, its flow run and whose turn it is."""

    call_id: str
    code: str
    transient: bool
    flow_run_id: str | None
    attempt: int
    priority: str


def failed_since(session: Session, since: datetime) -> list[Failed]:
    """The failed calls received since `since`, oldest first; one whose text has expired has nothing left to begin with."""
    return _failed(session, and_(Call.received_at >= since, Call.text_deleted_at.is_(None)))


def failed_of(session: Session, call_ids: Collection[str]) -> list[Failed]:
    """Those of the calls that have failed and may be tried again."""
    return _failed(session, and_(Call.call_id.in_(call_ids), Call.text_deleted_at.is_(None)))


def begin_anew(session: Session, call: Failed, at: datetime, *, keep_run: bool) -> bool:
    """Let the call wait as its next attempt, for its flow run or for one that is yet to be made; false when it has moved on meanwhile."""
    anew: dict[str, Any] = {"attempt": call.attempt + 1, "runs": 0, "progress": 0.0, "reason": None, "reason_code": None}
    free = {"finished_at": None, "lease_token": None, "lease_until": None}
    run = {"status": "queued", "triggered_at": at} if keep_run else {"status": "received", "triggered_at": None, "flow_run_id": None}
    same = and_(Call.call_id == call.call_id, Call.status == "failed", Call.attempt == call.attempt)
    if session.execute(UPDATE.where(same).values(anew | free | run).returning(Call.call_id)).first() is None:
        return False
    note(session, get(session, call.call_id), "retried", at, code=call.code)
    return True


def _failed(session: Session, wanted: Any) -> list[Failed]:
    """The last failure in the timeline tells of what kind the reason is."""
    told = select(Call, CallEvent.detail).join(CallEvent, and_(CallEvent.call_id == Call.call_id, CallEvent.name == "failed"))
    found = session.execute(
        told.where(wanted, Call.status == "failed").order_by(Call.received_at, Call.call_id, CallEvent.event_id)
    ).tuples()
    return list({call.call_id: _as_failed(call, detail) for call, detail in found}.values())


def _as_failed(call: Call, detail: dict[str, Any]) -> Failed:
    return Failed(call.call_id, call.reason_code or "", bool(detail.get("transient")), call.flow_run_id, call.attempt, call.priority)
