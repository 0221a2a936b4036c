"""Who changed what, when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Audit


def write(session: Session, actor: str, action: str, subject: str, at: datetime, **detail: Any) -> None:
    """Add one line, in the transaction that makes the change."""
    session.add(Audit(at=at, actor=actor, action=action, subject=subject, detail=detail))


def page(session: Session, before: int | None, limit: int) -> list[Audit]:
    """Up to `limit` lines, newest first, older than the line with the id `before`."""
    lines = select(Audit).order_by(Audit.audit_id.desc()).limit(limit)
    return list(session.scalars(lines if before is None else lines.where(Audit.audit_id < before)))
