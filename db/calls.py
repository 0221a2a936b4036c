"""Calls and their timeline: accepted once, owned by one attempt at a time, always ending in a state with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from core import ids
from core.errors import Conflict, LeaseLost, NotFound, PermanentError, RopError, TransientError
from db import outbox, trials
from db.models import Audit, Call, CallEvent, Removal
from db.upsert import insert_or_ignore

PublicStatus = Literal["queued", "processing", "done", "failed", "no_speech"]
WAITING = ("received", "queued")
RUNNING = ("downloading", "transcribing", "analysing")
FINISHED = ("done", "no_speech")
TERMINAL = (*FINISHED, "failed")

GIVEN_BACK = "worker_stopped"  # the step of a run whose worker ended in good order
POSTPONED = "postponed"  # the step of a run that was stopped by what may pass
IN_GOOD_ORDER = (GIVEN_BACK, POSTPONED)  # a run that left its call so has not broken off

OLDEST_FIRST = (Call.received_at, Call.call_id)  # many of a back-fill are of one moment
UPDATE = update(Call).execution_options(synchronize_session=False)  # whoever needs the row afterwards reads it anew
NOTE = insert(CallEvent.__table__)  # type: ignore[arg-type]  # not through the ORM: every accepted call writes one


class CallExists(Conflict):
    """The call is known and not failed; `status` and `received_at` say where it is (C5)."""

    code = "call_exists"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Звонок {call_id} уже принят, состояние: {status}.",
        "en": "Call {call_id} was accepted already, status: {status}.",
    }


class TooManyRuns(PermanentError):
    """The call was started more often than the cap allows: it must not loop."""

    code = "too_many_runs"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Обработка прерывалась {runs} раз(а) подряд и больше не запускается автоматически.",
        "en": "Processing was interrupted {runs} times in a row and is not started again by itself.",
    }


@dataclass(frozen=True)
class NewCall:
    """What the CRM sends about a call; times aware, `duration_hint` in seconds."""

    call_id: str
    manager_id: str
    deal_id: str
    deal_stage_id: str
    audio_url: str
    key_id: str | None
    duration_hint: float | None = None
    manager_channel: str | None = None
    direction: str | None = None
    language: str | None = None
    started_at: datetime | None = None
    priority: str = "live"
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Claim:
    """A run's hold on a call. `token` fences it; `finished` means the results are published already."""

    call: Call
    token: str
    finished: bool


def accept(session: Session, new: NewCall, at: datetime) -> Call:
    """Store a new call, or a failed one anew as its next attempt.

    Raises:
        CallExists: the call is queued, running or done; nothing was changed.
    """
    receive(session, new, at)
    return get(session, new.call_id)


def receive(session: Session, new: NewCall, at: datetime) -> int:
    """The same for who needs no more than the number of the attempt."""
    values = asdict(new) | {"warnings": list(new.warnings)}
    fresh = {"status": "received", "received_at": at, "attempt": 1, "progress": 0.0, "runs": 0}
    attempt = 1 if insert_or_ignore(session, Call, values | fresh) else _accept_again(session, values, at)
    _note(session, new.call_id, attempt, "accepted", at, {})
    return attempt


def _accept_again(session: Session, values: dict[str, Any], at: datetime) -> int:
    anew = {
        "attempt": Call.attempt + 1,
        "status": "received",
        "received_at": at,
        "progress": 0.0,
        "runs": 0,
        "reason": None,
        "reason_code": None,
        "flow_run_id": None,
        "triggered_at": None,
        "lease_token": None,
        "lease_until": None,
        "finished_at": None,
        "text_deleted_at": None,
    }
    failed = and_(Call.call_id == values["call_id"], Call.status == "failed")
    attempt = session.scalar(UPDATE.where(failed).values(values | anew).returning(Call.attempt))
    if attempt is None:
        call = get(session, values["call_id"])
        received = call.received_at.isoformat()
        raise CallExists(call_id=call.call_id, status=public_status(call), received_at=received)
    return attempt


def get(session: Session, call_id: str) -> Call:
    """The call; raises `NotFound`."""
    return _found(session.get(Call, call_id, populate_existing=True))


def hold(session: Session, call_id: str) -> Call:
    """The call, whose results and marks nobody else changes until the transaction ends: on PostgreSQL the changes of both would stand.

    Raises:
        NotFound: the call was deleted.
    """
    # FOR NO KEY UPDATE, the lock that ending the call takes: who ends it and then stores results asks for no stronger one.
    return _found(session.get(Call, call_id, populate_existing=True, with_for_update={"key_share": True}))


def _found(call: Call | None) -> Call:
    if call is None:
        raise NotFound(ru="Звонок не найден.", en="No such call.")
    return call


def warn(session: Session, call_id: str, code: str) -> None:
    """Put something that people should look at on the call, once."""
    call = get(session, call_id)
    if code not in call.warnings:
        call.warnings = [*call.warnings, code]
        session.flush()


def public_status(call: Call) -> PublicStatus:
    """The state as the outside knows it (C10)."""
    return public(call.status)


def public(status: str) -> PublicStatus:
    """The outside's name of a stored status."""
    if status in WAITING:
        return "queued"
    if status in RUNNING:
        return "processing"
    return status  # type: ignore[return-value]


def timeline(session: Session, call_id: str) -> list[CallEvent]:
    """Every step of the call, oldest first."""
    return list(session.scalars(select(CallEvent).where(CallEvent.call_id == call_id).order_by(CallEvent.event_id)))


def note(session: Session, call: Call, name: str, at: datetime, **detail: Any) -> None:
    """Add one step to the call's timeline."""
    _note(session, call.call_id, call.attempt, name, at, detail)


def _note(session: Session, call_id: str, attempt: int, name: str, at: datetime, detail: dict[str, Any]) -> None:
    session.execute(NOTE, {"call_id": call_id, "attempt": attempt, "at": at, "name": name, "detail": detail})


def mark_triggered(session: Session, call_id: str, attempt: int, flow_run_id: str, at: datetime) -> None:
    """Remember the flow run of this attempt; harmless when the run has started already."""
    mine = and_(Call.call_id == call_id, Call.attempt == attempt, Call.triggered_at.is_(None))
    statement = UPDATE.where(mine).values(triggered_at=at, flow_run_id=flow_run_id).returning(Call.call_id)
    if session.execute(statement).first() is None:
        return
    session.execute(UPDATE.where(Call.call_id == call_id, Call.status == "received").values(status="queued"))
    note(session, get(session, call_id), "queued", at, flow_run_id=flow_run_id)


def untriggered(session: Session, before: datetime, limit: int, priority: str = "live") -> list[Call]:
    """Calls of this priority accepted before `before` that no flow run was made for, oldest first."""
    waiting = and_(Call.status == "received", Call.priority == priority, Call.triggered_at.is_(None), Call.received_at <= before)
    return list(session.scalars(select(Call).where(waiting).order_by(*OLDEST_FIRST).limit(limit)))


def abandoned(session: Session, at: datetime, limit: int) -> list[Call]:
    """Calls whose run gave no sign of life within its lease, oldest first."""
    silent = and_(Call.status.in_(RUNNING), Call.lease_until < at)
    return list(session.scalars(select(Call).where(silent).order_by(*OLDEST_FIRST).limit(limit)))


def done_since(session: Session, since: datetime) -> list[str]:
    """Ids of the done calls received since `since`, oldest first."""
    wanted = and_(Call.status == "done", Call.received_at >= since)
    return list(session.scalars(select(Call.call_id).where(wanted).order_by(*OLDEST_FIRST)))


def claim(session: Session, call_id: str, flow_run_id: str, at: datetime, lease_seconds: float) -> Claim:
    """Take the call for this flow run, fencing any earlier holder.

    Raises:
        NotFound: the call was deleted.
        LeaseLost: another flow run holds it and is alive, or finished it.
    """
    call = get(session, call_id)
    mine = call.flow_run_id in (None, flow_run_id)
    if call.status in FINISHED and mine:
        return Claim(call, call.lease_token or "", finished=True)
    token = ids.token()
    free = or_(Call.lease_until.is_(None), Call.lease_until < at, Call.flow_run_id == flow_run_id, Call.status == "failed")
    runs = 1 if call.status == "failed" else Call.runs + 1
    taken = {"flow_run_id": flow_run_id, "lease_token": token, "lease_until": at + timedelta(seconds=lease_seconds)}
    running = {"status": "downloading", "progress": 0.0, "runs": runs, "reason": None, "reason_code": None, "finished_at": None}
    where = and_(Call.call_id == call_id, Call.status.not_in(FINISHED), free)
    if session.execute(UPDATE.where(where).values(taken | running).returning(Call.call_id)).first() is None:
        raise LeaseLost(call_id=call_id)
    call = get(session, call_id)
    note(session, call, "started", at, run=call.runs, flow_run_id=flow_run_id)
    return Claim(call, token, finished=False)


def beat(session: Session, call_id: str, token: str, until: datetime, **values: Any) -> None:
    """Prolong the lease and set `status` or `progress`; raises `LeaseLost` when another run took the call, or it has ended."""
    mine = and_(Call.call_id == call_id, Call.lease_token == token, Call.status.in_(RUNNING))
    if session.execute(UPDATE.where(mine).values(lease_until=until, **values).returning(Call.call_id)).first() is None:
        raise LeaseLost(call_id=call_id)


def fence(session: Session, call_id: str, token: str) -> None:
    """Raise `LeaseLost` unless this run owns the call; it goes on owning it until the transaction ends."""
    mine = and_(Call.call_id == call_id, Call.lease_token == token, Call.status.in_(RUNNING))
    if session.scalar(select(Call.call_id).where(mine).with_for_update()) is None:
        raise LeaseLost(call_id=call_id)


def finish(session: Session, call_id: str, token: str, status: str, at: datetime, reason: RopError | None = None) -> Call:
    """End the call in `done`, `no_speech` or `failed`, with the reason; raises `LeaseLost` for a run that does not own it."""
    values = {"status": status, "finished_at": at, **_shown(reason)}
    mine = and_(Call.call_id == call_id, Call.lease_token == token, Call.status.not_in(TERMINAL))
    ended = UPDATE.where(mine).values(lease_until=None, progress=1.0 if status != "failed" else Call.progress, **values)
    if session.execute(ended.returning(Call.call_id)).first() is None:
        raise LeaseLost(call_id=call_id)
    call = get(session, call_id)
    note(session, call, status, at, **_told(reason))
    outbox.changed(session, call_id, at)
    return call


def _shown(reason: RopError | None) -> dict[str, Any]:
    if reason is None:
        return {"reason": None, "reason_code": None}
    return {"reason": {"ru": reason.text("ru"), "en": reason.text("en")}, "reason_code": reason.reason}


def _told(reason: RopError | None) -> dict[str, Any]:
    """The code, and whether a repeat may help: the class that decides it is not stored."""
    if reason is None:
        return {}
    return {"code": reason.reason} | ({"transient": True} if isinstance(reason, TransientError) else {})


def is_of_run(session: Session, call_id: str, flow_run_id: str) -> bool:
    """Whether this flow run was the last to take the call."""
    return session.scalar(select(Call.call_id).where(Call.call_id == call_id, Call.flow_run_id == flow_run_id)) is not None


def release(session: Session, call_id: str, token: str, at: datetime) -> bool:
    """Give an unfinished call back to the queue: its worker stops. One that has ended meanwhile stays as it ended.

    False when somebody else has taken the call, or it was deleted.
    """
    mine = and_(Call.call_id == call_id, Call.lease_token == token, Call.status.in_(RUNNING))
    # A run may take its call before the ingress notes that it made the run; what waits without that note is seen by nobody.
    waiting = {"status": "queued", "lease_token": None, "lease_until": None, "triggered_at": at}
    if session.execute(UPDATE.where(mine).values(waiting).returning(Call.call_id)).first() is None:
        ended = select(Call.call_id).where(Call.call_id == call_id, Call.lease_token == token, Call.status.in_(TERMINAL))
        return session.scalar(ended) is not None
    note(session, get(session, call_id), GIVEN_BACK, at)
    return True


def postpone(session: Session, call_id: str, token: str, reason: RopError, due: datetime, at: datetime) -> None:
    """Let the call wait until `due` for its run to go on; meanwhile it shows the reason.

    Raises:
        LeaseLost: another run has the call, or it has ended.
    """
    mine = and_(Call.call_id == call_id, Call.lease_token == token, Call.status.in_(RUNNING))
    waiting = {"status": "queued", "lease_token": None, "lease_until": None, "triggered_at": due}
    if session.execute(UPDATE.where(mine).values(waiting | _shown(reason)).returning(Call.call_id)).first() is None:
        raise LeaseLost(call_id=call_id)
    note(session, get(session, call_id), POSTPONED, at, **_told(reason), until=due.isoformat())


def postponed(at: datetime) -> ColumnElement[bool]:
    """Which calls wait for what stopped them to pass."""
    return and_(Call.status == "queued", Call.reason_code.is_not(None), Call.triggered_at > at)


def is_postponed(call: Call, at: datetime) -> bool:
    """Whether the call is one of these."""
    return call.status == "queued" and call.reason_code is not None and call.triggered_at is not None and call.triggered_at > at


def postponements(session: Session, call: Call) -> list[datetime]:
    """When the call was postponed since it was accepted or last failed."""
    if call.runs < 2:
        return []
    return list(session.scalars(select(CallEvent.at).where(*_lately(call), CallEvent.name == POSTPONED).order_by(CallEvent.event_id)))


def broken_runs(session: Session, call: Call) -> int:
    """Runs since the call was accepted or last failed, without those that left it in good order."""
    left = select(func.count()).where(*_lately(call), CallEvent.name.in_(IN_GOOD_ORDER))
    return call.runs - (session.scalar(left) or 0)


def _lately(call: Call) -> tuple[ColumnElement[bool], ...]:
    mine = and_(CallEvent.call_id == call.call_id, CallEvent.attempt == call.attempt)
    failed = select(func.coalesce(func.max(CallEvent.event_id), 0)).where(mine, CallEvent.name == "failed").scalar_subquery()
    return mine, CallEvent.event_id > failed


def unlink_run(session: Session, call: Call) -> bool:
    """Forget the flow run that `call` names, so that a new one can be made; False when the call has moved on meanwhile."""
    free = {"status": "received", "flow_run_id": None, "triggered_at": None, "lease_token": None, "lease_until": None, **_shown(None)}
    same = and_(Call.call_id == call.call_id, Call.flow_run_id == call.flow_run_id, Call.runs == call.runs, Call.status.not_in(TERMINAL))
    return session.execute(UPDATE.where(same).values(free).returning(Call.call_id)).first() is not None


def revive(session: Session, at: datetime) -> int:
    """Let every unfinished call begin anew as its next attempt, in a copy that knows none of its runs; how many there are."""
    unfinished = list(session.scalars(select(Call).where(Call.status.not_in(TERMINAL)).order_by(*OLDEST_FIRST)))
    for call in unfinished:
        call.status, call.attempt, call.runs, call.progress = "received", call.attempt + 1, 0, 0.0
        call.flow_run_id = call.triggered_at = call.lease_token = call.lease_until = call.reason = call.reason_code = None
        note(session, call, "restored", at)
    session.flush()
    return len(unfinished)


def forget(session: Session, call_id: str, at: datetime, actor: str) -> Removal:
    """Delete everything the database knows of the call (C45), leaving an audit line and removals for the warehouse and the world outside.

    A run that works on the call is fenced by it: the call cannot be claimed or prolonged any more.
    """
    call = get(session, call_id)
    removal = Removal(call_id=call_id, at=at, until=max(at, call.lease_until or at), recording=True)
    session.add(removal)
    session.execute(delete(Call).where(Call.call_id == call_id))
    trials.forget(session, [call_id])
    outbox.changed(session, call_id, at)
    session.add(Audit(at=at, actor=actor, action="call.deleted", subject=call_id, detail={}))
    session.flush()
    return removal


def count_by_status(session: Session) -> dict[str, int]:
    """How many calls are in each state."""
    return dict(session.execute(select(Call.status, func.count()).group_by(Call.status)).tuples().all())
