"""The load outbox: which calls the warehouse has to load anew. Rows are hints; the loader reads the call's present state."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from db.models import LoadOutbox


def changed(session: Session, call_id: str, at: datetime) -> None:
    """Ask the loader to bring this call up to date, in the transaction that changed it."""
    session.add(LoadOutbox(call_id=call_id, created_at=at))
