"""What the reconciler needs of the calls: those that a run should have taken, and taking a call away from a run that will not end it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, exists, func, not_, or_, select, update
from sqlalchemy.orm import Session

from core import ids
from db.calls import IN_GOOD_ORDER, OLDEST_FIRST, POSTPONED, RUNNING, TERMINAL, WAITING, Claim, get, note, postponed
from db.models import Call, CallEvent


def unclaimed(session: Session, priority: str, before: datetime, limit: int) -> list[Call]:
    """Calls whose flow run was made before `before` and has not taken them, oldest first; those that had to wait for an outage apart.

    Workers take new runs first, so many that waited may be older than a new one that is stuck: each kind has a `limit` of its own.
    """
    waiting = and_(Call.status == "queued", Call.priority == priority, Call.triggered_at <= before)
    found: list[Call] = []
    for kind in (Call.reason_code.is_(None), Call.reason_code.is_not(None)):
        found += session.scalars(select(Call).where(waiting, kind).order_by(*OLDEST_FIRST).limit(limit))
    return found


def ended(session: Session, flow_run_ids: Collection[str], before: datetime) -> list[Call]:
    """Calls of these flow runs that ended before `before`."""
    mine = and_(Call.flow_run_id.in_(flow_run_ids), Call.status.in_(TERMINAL), Call.finished_at <= before)
    return list(session.scalars(select(Call).where(mine)))


def passed_on(session: Session, calls: Mapping[str, str]) -> list[str]:
    """Those of the flow runs, given with their calls, whose call another run has, or that was deleted."""
    owners = {call.call_id: call.flow_run_id for call in session.scalars(select(Call).where(Call.call_id.in_(calls.values())))}
    return [run for run, call_id in calls.items() if owners.get(call_id, "") not in (None, run)]


def is_adrift(session: Session, call: Call, at: datetime) -> bool:
    """Whether the call is still what `call` says: unfinished, of the same run, and in nobody's hands."""
    return session.scalar(select(Call.call_id).where(_adrift(call, at))) is not None


def seize(session: Session, call: Call, at: datetime) -> Claim | None:
    """Take an unfinished call from its run, which can write nothing from now on; None when the call has moved on meanwhile."""
    token = ids.token()
    taken = update(Call).where(_adrift(call, at)).values(lease_token=token, lease_until=at).returning(Call.call_id)
    if session.execute(taken).first() is None:
        return None
    return Claim(get(session, call.call_id), token, finished=False)


def count_lost_run(session: Session, call: Call, at: datetime, why: str, *, renewed: bool = False) -> Call | None:
    """Note that the call's run came to nothing; the call as it is now, None when it has moved on meanwhile.

    A run that never took the call is counted here, the others were when they took it; one that left it in good order is no loss, unless the
    next is to be a new run, whose key holds the number.
    """
    uncounted = call.status in WAITING and (renewed or not left_in_good_order(session, call))
    runs: Any = Call.runs + 1 if uncounted else Call.runs
    counted = update(Call).where(_same_run(call), Call.runs == call.runs).values(runs=runs).returning(Call.call_id)
    if session.execute(counted).first() is None:
        return None
    now = get(session, call.call_id)
    note(session, now, "run_lost", at, why=why, flow_run_id=call.flow_run_id)
    return now


def left_in_good_order(session: Session, call: Call) -> bool:
    """Whether the last thing that happened to the call is that its run gave it back."""
    last = select(CallEvent.name).where(CallEvent.call_id == call.call_id).order_by(CallEvent.event_id.desc()).limit(1)
    return session.scalar(last) in IN_GOOD_ORDER


def of_run(session: Session, call_id: str, flow_run_id: str) -> Call | None:
    """The call, if this flow run was the last to take it."""
    return session.scalar(select(Call).where(Call.call_id == call_id, Call.flow_run_id == flow_run_id))


def is_held(session: Session, call_id: str, at: datetime) -> bool:
    """Whether a run works on the call, whose lease is alive."""
    held = and_(Call.call_id == call_id, Call.status.in_(RUNNING), Call.lease_until >= at)
    return session.scalar(select(Call.call_id).where(held)) is not None


def waiting_out(session: Session, at: datetime) -> list[Call]:
    """Calls that wait for the end of an outage."""
    return list(session.scalars(select(Call).where(postponed(at))))


def waiting_out_for(session: Session, before: datetime, at: datetime) -> dict[str, int]:
    """How many such calls there are for each reason code, of those that were first postponed before `before`."""
    first = (CallEvent.call_id == Call.call_id, CallEvent.attempt == Call.attempt, CallEvent.name == POSTPONED, CallEvent.at < before)
    counted = select(Call.reason_code, func.count()).where(postponed(at), exists().where(*first)).group_by(Call.reason_code)
    return {str(code): count for code, count in session.execute(counted).tuples()}


def oldest_waiting(session: Session, priority: str, at: datetime) -> datetime | None:
    """Since when the call of this priority waits that waits longest for a worker: its receipt, or the end of its wait for an outage."""
    waiting = (Call.status.in_(WAITING), Call.priority == priority, not_(postponed(at)))
    since = case((Call.reason_code.is_not(None), Call.triggered_at), else_=Call.received_at)
    return session.execute(select(func.min(since, type_=Call.received_at.type)).where(*waiting)).scalar()


def count_queued(session: Session, priority: str, at: datetime) -> int:
    """Calls of this priority that wait in Prefect for a worker."""
    waiting = (Call.status == "queued", Call.priority == priority, not_(postponed(at)))
    return session.scalar(select(func.count()).where(*waiting)) or 0


def count_unfinished(session: Session, priority: str) -> int:
    """Calls of this priority that have not ended."""
    return session.scalar(select(func.count()).where(Call.status.not_in(TERMINAL), Call.priority == priority)) or 0


def _same_run(call: Call) -> Any:
    return and_(Call.call_id == call.call_id, Call.flow_run_id == call.flow_run_id, Call.status.not_in(TERMINAL))


def _adrift(call: Call, at: datetime) -> Any:
    """A running call is adrift when its lease ran out; a waiting one has none."""
    silent = or_(Call.status.in_(WAITING), and_(Call.status.in_(RUNNING), Call.lease_until < at))
    return and_(_same_run(call), silent)
