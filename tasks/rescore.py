"""Judging a stored transcript anew: new revisions supersede, nothing is erased, a failure leaves the old result."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from checklists.definitions import Checklist, Definition
from core import clock
from db import calls, definitions, directory, outbox, results
from db.models import Call
from tasks.extract import extract_table
from tasks.publish import Judgement, save
from tasks.runtime import Runtime
from tasks.score import score_call

KINDS: tuple[definitions.Kind, ...] = ("checklist", "table")


@dataclass(frozen=True)
class Wanted:
    """What to judge anew: one checklist, or everything the call is routed to; `webhooks` sends the new results."""

    checklist_id: str | None = None
    webhooks: bool = True


def rescore_call(runtime: Runtime, call_id: str, wanted: Wanted) -> int:
    """Judge the call by the active versions and publish all new results in one transaction; how many there are.

    Raises:
        NotFound: the call has no transcript, or has lost it meanwhile.
    """
    with runtime.database.read() as session:
        call = calls.get(session, call_id)
        results.refuse_unheard(session, call_id)
        asked = [d for kind in KINDS for d in _routed(session, call, kind)]
    judged = [_judge(runtime, call_id, d) for d in asked if wanted.checklist_id in (None, d.id)]
    at = clock.now()
    with runtime.database.begin() as session:
        call = calls.hold(session, call_id)
        results.refuse_unheard(session, call_id)  # what quotes an erased text must not be stored
        for one in judged:
            save(session, runtime, call, one, at, webhook=wanted.webhooks)
        calls.note(session, call, "rescored", at, results=len(judged))
        outbox.changed(session, call_id, at)
    return len(judged)


def _judge(runtime: Runtime, call_id: str, definition: Definition) -> Judgement:
    judge = score_call if isinstance(definition, Checklist) else extract_table
    content = judge(runtime, call_id, definition.id, definition.version).model_dump(mode="json")
    return Judgement(definitions.kind_of(definition), definition.id, definition.version, content=content)


def _routed(session: Session, call: Call, kind: definitions.Kind) -> list[Definition]:
    offices = directory.offices_at(session, call.manager_id, call.received_at)
    return definitions.routed(session, kind, call.deal_stage_id, offices, call.manager_id)
