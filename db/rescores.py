"""Judging anew: how many calls that would be, who asked for it when, and what a run has stored. The audit and the timelines hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import audit, calls
from db.models import Audit, Call, CallEvent

ACTION = "calls.rescored"
STEP = "rescored"  # in the timeline of a call


@dataclass(frozen=True)
class Rescore:
    """One request: calls received since `since`, by one checklist or by everything in force, with webhooks or without.

    `calls` is how many there were when it was asked for.
    """

    flow_run_id: str
    author: str
    at: datetime
    since: datetime
    checklist_id: str | None
    webhooks: bool
    calls: int


def matching(session: Session, since: datetime) -> int:
    """How many calls would be judged."""
    wanted = select(func.count()).select_from(Call).where(Call.status == "done", Call.received_at >= since)
    return session.scalar(wanted) or 0


def remember(session: Session, asked: Rescore) -> None:
    """Write the request down."""
    detail = {"since": asked.since.isoformat(), "checklist_id": asked.checklist_id, "webhooks": asked.webhooks, "calls": asked.calls}
    audit.write(session, asked.author, ACTION, asked.flow_run_id, asked.at, **detail)


def recent(session: Session, limit: int) -> list[Rescore]:
    """The latest requests, newest first."""
    lines = session.scalars(select(Audit).where(Audit.action == ACTION).order_by(Audit.audit_id.desc()).limit(limit))
    return [
        Rescore(
            flow_run_id=line.subject,
            author=line.actor,
            at=line.at,
            since=datetime.fromisoformat(line.detail["since"]),
            checklist_id=line.detail["checklist_id"],
            webhooks=line.detail["webhooks"],
            calls=line.detail["calls"],
        )
        for line in lines
    ]


def note(session: Session, call: Call, stored: Sequence[str], flow_run_id: str, at: datetime) -> None:
    """Write down what the run has stored, such as `checklist:sales`, in the transaction that stores it."""
    calls.note(session, call, STEP, at, results=len(stored), stored=list(stored), flow_run_id=flow_run_id)


def stored(session: Session, call_id: str, flow_run_id: str) -> set[str]:
    """What the run has stored of the call so far: its rerun leaves that alone."""
    steps = session.scalars(select(CallEvent.detail).where(CallEvent.call_id == call_id, CallEvent.name == STEP))
    return {one for detail in steps if detail.get("flow_run_id") == flow_run_id for one in detail["stored"]}
