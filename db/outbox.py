"""The load outbox: which calls the warehouse has to load anew. Rows are hints; the loader reads the call's present state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.orm import Session

from db.models import LoadOutbox


def changed(session: Session, call_id: str, at: datetime) -> None:
    """Ask the loader to bring this call up to date, in the transaction that changed it."""
    session.add(LoadOutbox(call_id=call_id, created_at=at))


def all_changed(session: Session, call_ids: Iterable[str | None], at: datetime) -> None:
    """`changed` for every call that is named, in one statement; None and repeats count for nothing."""
    if rows := [{"call_id": call_id, "created_at": at} for call_id in dict.fromkeys(call_ids) if call_id is not None]:
        session.execute(insert(LoadOutbox), rows)
