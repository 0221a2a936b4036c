"""Correcting who is who: the two parties of a transcript change places."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from checklists.transcript import Transcript
from core.errors import NotFound
from db import outbox
from db.models import Audit, TranscriptRow

OTHER = {"manager": "customer", "customer": "manager", "unknown": "unknown"}


def swap(session: Session, call_id: str, actor: str, at: datetime) -> TranscriptRow:
    """Swap manager and customer in the stored transcript; twice is as before. Raises `NotFound` while there is no transcript."""
    row = session.get(TranscriptRow, call_id, with_for_update=True)
    if row is None:
        raise NotFound("transcript_not_ready", ru="Расшифровки ещё нет.", en="There is no transcript yet.")
    heard = Transcript.model_validate(row.content)
    utterances = tuple(u.model_copy(update={"speaker": OTHER[u.speaker]}) for u in heard.utterances)
    swapped = heard.model_copy(update={"utterances": utterances, "metrics": _swapped(heard.metrics)})
    row.content, row.swapped = swapped.model_dump(mode="json"), not row.swapped
    session.add(Audit(at=at, actor=actor, action="call.speakers_swapped", subject=call_id, detail={}))
    outbox.changed(session, call_id, at)
    return row


def _swapped(value: Any) -> Any:
    """Figures of a talk in which each side's are the other's; `talk_ratio` is the manager's part of both."""
    if isinstance(value, list):
        return [_swapped(one) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {OTHER.get(key, key): _swapped(one) for key, one in value.items()}
    ratio = value.get("talk_ratio")
    return changed if ratio is None else changed | {"talk_ratio": round(1 - ratio, 3)}
