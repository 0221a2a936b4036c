"""A manager's objections to marks, and the answers to them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from db import audit, marks
from db.models import Appeal, Call


class AppealWaits(Conflict):
    """One objection to a stage is enough until it is answered."""

    code = "appeal_waits"
    texts: ClassVar[dict[str, str]] = {
        "ru": "По этому этапу уже есть обращение без ответа.",
        "en": "There is an unanswered appeal on this stage already.",
    }


def add(session: Session, call_id: str, checklist_id: str, stage_id: str, reason: str, author: str, at: datetime) -> Appeal:
    """Object to the mark of a stage.

    Raises:
        NotFound: the call was not judged by this stage.
        AppealWaits: an earlier objection has no answer yet.
    """
    marks.refuse_unknown(session, call_id, checklist_id, stage_id)
    same = (Appeal.call_id == call_id, Appeal.checklist_id == checklist_id, Appeal.stage_id == stage_id)
    if session.scalar(select(Appeal.appeal_id).where(*same, Appeal.answered_at.is_(None))) is not None:
        raise AppealWaits
    row = Appeal(call_id=call_id, checklist_id=checklist_id, stage_id=stage_id, reason=reason, author=author, created_at=at, answer="")
    session.add(row)
    audit.write(session, author, "appeal.made", call_id, at, checklist_id=checklist_id, stage_id=stage_id)
    session.flush()
    return row


def answer(session: Session, appeal_id: int, accepted: bool, text: str, author: str, at: datetime, score: int | None = None) -> Appeal:
    """Answer once; an accepted objection puts the mark `score` on the stage. Raises `NotFound`, also when it is answered."""
    row = session.get(Appeal, appeal_id, populate_existing=True)
    if row is None or row.answered_at is not None:
        raise NotFound(ru="Обращения нет, или на него уже ответили.", en="No such appeal, or it is answered.")
    row.accepted, row.answer, row.answered_by, row.answered_at = accepted, text, author, at
    if accepted and score is not None:
        marks.add(session, row.call_id, row.checklist_id, row.stage_id, score, text, author, at)
    audit.write(session, author, "appeal.accepted" if accepted else "appeal.declined", row.call_id, at, stage_id=row.stage_id)
    session.flush()
    return row


def of_call(session: Session, call_id: str) -> list[Appeal]:
    """All objections about the call, oldest first."""
    return list(session.scalars(select(Appeal).where(Appeal.call_id == call_id).order_by(Appeal.appeal_id)))


def waiting(session: Session, manager_id: str | None = None) -> int:
    """How many wait for an answer, of one manager's calls or of all."""
    open_ones = select(func.count()).select_from(Appeal).where(Appeal.answered_at.is_(None))
    if manager_id is not None:
        open_ones = open_ones.join(Call, Call.call_id == Appeal.call_id).where(Call.manager_id == manager_id)
    return session.scalar(open_ones) or 0


def next_waiting(session: Session, limit: int) -> list[Appeal]:
    """The oldest ones without an answer."""
    return list(session.scalars(select(Appeal).where(Appeal.answered_at.is_(None)).order_by(Appeal.appeal_id).limit(limit)))
