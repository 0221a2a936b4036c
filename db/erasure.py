"""What of a call is personal and when it has to go: recordings and texts by age, and what they left outside of this database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from checklists.blank import blank
from db import outbox, trials
from db.calls import TERMINAL
from db.models import Appeal, Call, Delivery, DeliveryAttempt, Override, Recording, Removal, Result, TranscriptRow


def old_recordings(session: Session, before: datetime, after: str, limit: int) -> list[str]:
    """The next ended calls that were received before `before` and still have their recording, in order of their ids."""
    ended = (Call.status.in_(TERMINAL), Call.received_at < before, Recording.deleted_at.is_(None), Call.call_id > after)
    found = select(Call.call_id).join(Recording, Recording.call_id == Call.call_id).where(*ended)
    return list(session.scalars(found.order_by(Call.call_id).limit(limit)))


def old_recording(session: Session, call_id: str, before: datetime) -> Recording | None:
    """The recording if it is still too old, held until the transaction ends: the call cannot begin anew meanwhile."""
    ended = (Call.call_id == call_id, Call.status.in_(TERMINAL), Call.received_at < before)
    if session.scalar(select(Call.call_id).where(*ended).with_for_update()) is None:
        return None
    row = session.get(Recording, call_id)
    return None if row is None or row.deleted_at is not None else row


def old_texts(session: Session, before: datetime, after: str, limit: int) -> list[str]:
    """The next ended calls that were received before `before` and still have their text, by id, held until the transaction ends."""
    ended = (Call.status.in_(TERMINAL), Call.received_at < before, Call.text_deleted_at.is_(None), Call.call_id > after)
    return list(session.scalars(select(Call.call_id).where(*ended).order_by(Call.call_id).limit(limit).with_for_update()))


def erase_texts(session: Session, call_ids: Sequence[str], at: datetime) -> None:
    """Delete what was said, written about it and sent of it; scores, durations and the way of the calls stay."""
    session.execute(delete(TranscriptRow).where(TranscriptRow.call_id.in_(call_ids)))
    for row in session.scalars(select(Result).where(Result.call_id.in_(call_ids))):
        row.content = blank(row.content)
    session.execute(update(Override).where(Override.call_id.in_(call_ids)).values(reason=""))
    session.execute(update(Appeal).where(Appeal.call_id.in_(call_ids)).values(reason="", answer=""))
    _erase_letters(session, call_ids)
    trials.forget(session, call_ids)
    session.execute(update(Call).where(Call.call_id.in_(call_ids)).values(audio_url="", text_deleted_at=at))
    session.add_all(Removal(call_id=call_id, at=at, until=at, recording=False) for call_id in call_ids)
    outbox.all_changed(session, call_ids, at)


def removals(session: Session, limit: int) -> list[Removal]:
    """What is still to be removed outside, the oldest first."""
    return list(session.scalars(select(Removal).order_by(Removal.removal_id).limit(limit)))


def settle(session: Session, removal: Removal) -> None:
    """Nothing is left of it; a trial that was running meanwhile may have noted the call once more."""
    trials.forget(session, [removal.call_id])
    session.execute(delete(Removal).where(Removal.removal_id == removal.removal_id))


def known_paths(session: Session, paths: list[str]) -> set[str]:
    """Those of the `paths` in the storage that are the recording of a call."""
    return set(session.scalars(select(Recording.path).where(Recording.path.in_(paths), Recording.deleted_at.is_(None))))


def _erase_letters(session: Session, call_ids: Sequence[str]) -> None:
    mine = Delivery.call_id.in_(call_ids)
    letters = select(Delivery.delivery_id).where(mine)
    session.execute(update(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_(letters)).values(response=""))
    session.execute(update(Delivery).where(mine, Delivery.status == "pending").values(status="dead", next_attempt_at=None))
    session.execute(update(Delivery).where(mine).values(body=b""))
