"""A person's marks beside the machine's: a newer one supersedes, nothing is erased."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from checklists.results import ChecklistResult
from core.errors import NotFound
from db import calls, outbox, results, scores
from db.models import Audit, Override


def add(session: Session, call_id: str, checklist_id: str, stage_id: str, score: int, reason: str, author: str, at: datetime) -> Override:
    """Store a mark of 1, -1 or 0 (the stage does not apply); raises `NotFound` for a stage that this call was not judged by."""
    calls.hold(session, call_id)
    refuse_unknown(session, call_id, checklist_id, stage_id)
    same = (Override.call_id == call_id, Override.checklist_id == checklist_id, Override.stage_id == stage_id)
    session.execute(update(Override).where(*same, Override.superseded_at.is_(None)).values(superseded_at=at))
    row = Override(call_id=call_id, checklist_id=checklist_id, stage_id=stage_id, score=score, reason=reason, author=author)
    row.created_at = at
    session.add(row)
    detail = {"checklist_id": checklist_id, "stage_id": stage_id, "score": score}
    session.add(Audit(at=at, actor=author, action="call.marked", subject=call_id, detail=detail))
    outbox.changed(session, call_id, at)
    session.flush()
    scores.refresh(session, call_id, checklist_id)
    return row


def withdraw(session: Session, call_id: str, checklist_id: str, stage_id: str, author: str, at: datetime) -> None:
    """Take the mark in force back, so that the one before it, or the machine's, counts again; harmless when there is none."""
    calls.hold(session, call_id)
    same = (Override.call_id == call_id, Override.checklist_id == checklist_id, Override.stage_id == stage_id)
    gone = update(Override).where(*same, Override.superseded_at.is_(None)).values(superseded_at=at)
    taken_back = session.execute(gone.returning(Override.override_id, Override.created_at)).first()
    if taken_back is None:
        return
    replaced = (Override.override_id < taken_back.override_id, Override.superseded_at == taken_back.created_at)
    before = select(func.max(Override.override_id)).where(*same, *replaced)
    session.execute(update(Override).where(Override.override_id == before.scalar_subquery()).values(superseded_at=None))
    detail = {"checklist_id": checklist_id, "stage_id": stage_id}
    session.add(Audit(at=at, actor=author, action="call.unmarked", subject=call_id, detail=detail))
    outbox.changed(session, call_id, at)
    scores.refresh(session, call_id, checklist_id)


def current(session: Session, call_id: str) -> list[Override]:
    """The marks in force, oldest first."""
    mine = (Override.call_id == call_id, Override.superseded_at.is_(None))
    return list(session.scalars(select(Override).where(*mine).order_by(Override.override_id)))


def refuse_unknown(session: Session, call_id: str, checklist_id: str, stage_id: str) -> None:
    """Raise `NotFound` for a stage that this call was not judged by."""
    calls.get(session, call_id)
    row = results.current_one(session, call_id, "checklist", checklist_id)
    if row is None or row.status != "ok":
        raise NotFound(
            "result_not_found", ru="По этому чек-листу у звонка нет результата.", en="This call has no result of this checklist."
        )
    result = ChecklistResult.model_validate(row.content)
    if stage_id not in {s.stage_id for s in result.stages} | {s.stage_id for s in result.not_applicable}:
        raise NotFound("stage_not_found", ru="В этом чек-листе нет такого этапа.", en="This checklist has no such stage.")
