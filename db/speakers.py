"""Correcting who is who: the two parties of a transcript change places."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from checklists.transcript import Speaker, Transcript, Utterance
from core.errors import NotFound
from db import outbox
from db.models import Audit, TranscriptRow

OTHER: dict[Speaker, Speaker] = {"manager": "customer", "customer": "manager", "unknown": "unknown"}


def swap(session: Session, call_id: str, actor: str, at: datetime) -> TranscriptRow:
    """Swap manager and customer in the stored transcript; twice is as before. Raises `NotFound` while there is no transcript."""
    row = session.get(TranscriptRow, call_id, with_for_update=True)
    if row is None:
        raise NotFound("transcript_not_ready", ru="Расшифровки ещё нет.", en="There is no transcript yet.")
    heard = Transcript.model_validate(row.content)
    swapped = heard.model_copy(update={"utterances": tuple(_swapped(u) for u in heard.utterances)})
    row.content, row.swapped = swapped.model_dump(mode="json"), not row.swapped
    session.add(Audit(at=at, actor=actor, action="call.speakers_swapped", subject=call_id, detail={}))
    outbox.changed(session, call_id, at)
    return row


def _swapped(utterance: Utterance) -> Utterance:
    return utterance.model_copy(update={"speaker": OTHER[utterance.speaker]})
