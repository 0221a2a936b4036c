"""Trials of a definition on stored calls: asked for on a page, run by a flow, read again by the page. They change no result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from checklists.definitions import Checklist, Definition, Table
from core import ids
from core.errors import NotFound
from db import definitions
from db.models import Trial

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


def create(session: Session, definition: Definition, call_ids: Sequence[str], author: str, at: datetime) -> Trial:
    """A trial that waits for the flow."""
    content = definition.content | {"route": definition.route.model_dump(mode="json")}
    row = Trial(trial_id=f"trial_{ids.token(8)}", kind=definitions.kind_of(definition), definition_id=definition.id, content=content)
    row.call_ids, row.status, row.outcomes, row.author, row.created_at = list(call_ids), WAITING, [], author, at
    session.add(row)
    session.flush()
    return row


def get(session: Session, trial_id: str) -> Trial:
    """The trial; raises `NotFound`."""
    return _found(session.get(Trial, trial_id, populate_existing=True))


def _held(session: Session, trial_id: str) -> Trial:
    """The trial, which nobody else changes until the transaction ends: its lists are written as a whole."""
    return _found(session.get(Trial, trial_id, populate_existing=True, with_for_update=True))


def _found(row: Trial | None) -> Trial:
    if row is None:
        raise NotFound(ru="Такой проверки нет.", en="No such trial.")
    return row


def definition_of(row: Trial) -> Definition:
    """What is tried."""
    return (Checklist if row.kind == "checklist" else Table).model_validate(row.content)


def recent(session: Session, kind: str, definition_id: str, limit: int) -> list[Trial]:
    """The latest trials of one definition, newest first."""
    mine = select(Trial).where(Trial.kind == kind, Trial.definition_id == definition_id)
    return list(session.scalars(mine.order_by(Trial.created_at.desc()).limit(limit)))


def begin(session: Session, trial_id: str) -> Trial:
    """Show that it is being run, for the first time or again; raises `NotFound`."""
    row = get(session, trial_id)
    row.status, row.problem, row.finished_at = RUNNING, None, None
    session.flush()
    return row


def add(session: Session, trial_id: str, outcome: dict[str, Any]) -> None:
    """Show the outcome of one more call, unless the call, or its text, was deleted meanwhile."""
    row = _held(session, trial_id)
    if outcome["call_id"] not in row.call_ids:
        return
    row.outcomes = [*(one for one in row.outcomes if one["call_id"] != outcome["call_id"]), outcome]


def forget(session: Session, call_ids: Sequence[str]) -> None:
    """Take the calls out of every trial that looked at them."""
    gone = set(call_ids)
    looked = session.execute(select(Trial.trial_id, Trial.call_ids))
    for row in [_held(session, trial_id) for trial_id, seen in looked if not gone.isdisjoint(seen)]:
        row.call_ids = [one for one in row.call_ids if one not in gone]
        row.outcomes = [one for one in row.outcomes if one["call_id"] not in gone]


def finish(session: Session, trial_id: str, at: datetime, problem: str | None = None) -> None:
    """End the trial; `problem` says why it could not be run."""
    row = get(session, trial_id)
    row.status, row.problem, row.finished_at = FAILED if problem else DONE, problem, at
