"""Recordings, transcripts and results of a call. A newer revision supersedes, never erases."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from checklists.transcript import Transcript
from core.errors import NotFound
from db import calls, scores
from db.models import Recording, Result, TranscriptRow

Kind = Literal["checklist", "table"]


def recording(session: Session, call_id: str) -> Recording | None:
    """The stored audio of the call."""
    return session.get(Recording, call_id)


def save_recording(session: Session, row: Recording) -> None:
    """Insert or replace the stored audio of a call."""
    session.merge(row)


def transcript_row(session: Session, call_id: str) -> TranscriptRow | None:
    """The transcript as stored, with peaks and the engine's name."""
    return session.get(TranscriptRow, call_id)


def heard(session: Session, call_id: str) -> TranscriptRow:
    """The same; raises `NotFound` for a call without a transcript."""
    row = transcript_row(session, call_id)
    if row is None:
        raise NotFound("transcript_not_ready", ru="Расшифровки ещё нет.", en="There is no transcript yet.")
    return row


def transcript(session: Session, call_id: str) -> Transcript | None:
    """The transcript of the call, or None while there is none."""
    row = session.get(TranscriptRow, call_id)
    return None if row is None else Transcript.model_validate(row.content)


def save_transcript(session: Session, row: TranscriptRow) -> None:
    """Insert or replace the transcript of a call."""
    session.merge(row)


def save(
    session: Session, call_id: str, kind: Kind, definition_id: str, version: str, content: dict[str, Any], at: datetime, status: str = "ok"
) -> Result:
    """Store a new revision as the current result of this definition; `status` is `ok` or `failed`.

    Raises:
        NotFound: the call was deleted.
    """
    calls.hold(session, call_id)
    same = (Result.call_id == call_id, Result.kind == kind, Result.definition_id == definition_id)
    session.execute(update(Result).where(*same, Result.superseded_at.is_(None)).values(superseded_at=at))
    last = session.scalar(select(func.max(Result.revision)).where(*same)) or 0
    row = Result(call_id=call_id, kind=kind, definition_id=definition_id, version=version, revision=last + 1)
    row.status, row.content, row.created_at = status, content, at
    session.add(row)
    session.flush()
    if kind == "checklist":
        scores.refresh(session, call_id, definition_id)
    return row


def current(session: Session, call_id: str, kind: Kind) -> list[Result]:
    """The current results of the call, one a definition."""
    mine = (Result.call_id == call_id, Result.kind == kind, Result.superseded_at.is_(None))
    return list(session.scalars(select(Result).where(*mine).order_by(Result.definition_id)))


def current_one(session: Session, call_id: str, kind: Kind, definition_id: str) -> Result | None:
    """The current result of one definition, or None."""
    mine = (Result.call_id == call_id, Result.kind == kind, Result.definition_id == definition_id)
    return session.scalars(select(Result).where(*mine, Result.superseded_at.is_(None))).first()
