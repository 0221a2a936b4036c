"""Step 5: everything a call ends with, in one transaction: results, state, both outboxes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prefect import task
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from checklists.definitions import Definition
from checklists.results import ChecklistResult, TableResult
from core import clock
from core.errors import Cancelled, LeaseLost, RopError, as_rop
from core.failpoints import failpoint
from db import calls, definitions, deliveries, endpoints, keys, results
from db.definitions import kind_of
from db.models import Call, Endpoint, Result
from tasks import payloads
from tasks import runtime as runtimes
from tasks.lease import Lease
from tasks.policy import RETRIED
from tasks.runtime import Runtime

EVENTS = {"checklist": "checklist.completed", "table": "table.completed"}


@dataclass(frozen=True)
class Judgement:
    """What one checklist or table came to: its result as JSON, or the error that stopped it."""

    kind: results.Kind
    definition_id: str
    version: str
    content: dict[str, Any] | None = None
    error: RopError | None = None


def judgement(definition: Definition, answer: dict[str, Any] | Exception) -> Judgement:
    """What the step of one definition came to.

    Raises what ends the whole run: the call is another's, a person cancelled, the database is away.
    """
    if isinstance(answer, LeaseLost | Cancelled | OperationalError):
        raise answer
    named = (kind_of(definition), definition.id, definition.version)
    if isinstance(answer, Exception):
        return Judgement(*named, error=as_rop(answer))
    return Judgement(*named, content=answer)


def publish_results(runtime: Runtime, lease: Lease, judged: list[Judgement]) -> None:
    """End the call as done. A call of which nothing could be judged fails with the first error.

    Raises:
        LeaseLost: another attempt owns the call; nothing was written.
    """
    errors = [j.error for j in judged if j.error]
    if errors and len(errors) == len(judged):
        raise errors[0]
    at = clock.now()
    failpoint("publish.before_commit")
    with runtime.database.begin() as session:
        call = calls.finish(session, lease.call.call_id, lease.token, "done", at)
        for one in judged:
            save(session, runtime, call, one, at)
        failpoint("publish.inside_commit")
    failpoint("publish.after_commit")


def save(session: Session, runtime: Runtime, call: Call, judged: Judgement, at: datetime, *, webhook: bool = True) -> Result:
    """Store one judgement as the newest revision and, unless told otherwise, queue its webhook."""
    if judged.error is not None:
        texts = {"code": judged.error.reason, "ru": judged.error.text("ru"), "en": judged.error.text("en")}
        return results.save(session, call.call_id, judged.kind, judged.definition_id, judged.version, texts, at, status="failed")
    assert judged.content is not None  # noqa: S101  a judgement has one or the other
    row = results.save(session, call.call_id, judged.kind, judged.definition_id, judged.version, judged.content, at)
    endpoint = endpoints.get(session, judged.kind, judged.definition_id) if webhook else None
    if endpoint is not None:
        _enqueue(session, runtime, call, row, endpoint, at)
    return row


def _enqueue(session: Session, runtime: Runtime, call: Call, row: Result, endpoint: Endpoint, at: datetime) -> None:
    number = definitions.number_of(session, definitions.as_kind(row.kind), row.definition_id, row.version)
    if row.kind == "checklist":
        body = payloads.checklist_body(ChecklistResult.model_validate(row.content), call, runtime.settings, number)
    else:
        body = payloads.table_body(TableResult.model_validate(row.content), call, runtime.settings, number)
    deliveries.enqueue(
        session,
        call_id=call.call_id,
        event=EVENTS[row.kind],
        endpoint=endpoint,
        kind=row.kind,
        definition_id=row.definition_id,
        version=row.version,
        revision=row.revision,
        body=body,
        at=at,
    )


def publish_failure(runtime: Runtime, lease: Lease, reason: RopError) -> None:
    """End the call as failed with the reason; a run that lost the call meanwhile changes nothing."""
    try:
        _end_with_event(runtime, lease, "failed", reason)
    except LeaseLost:
        return


def _end_with_event(runtime: Runtime, lease: Lease, status: str, reason: RopError | None) -> None:
    at = clock.now()
    with runtime.database.begin() as session:
        call = calls.finish(session, lease.call.call_id, lease.token, status, at, reason)
        endpoint = endpoints.get(session, "key", keys.integration(call.key_id or ""))
        if endpoint is not None:
            _enqueue_event(session, runtime, call, f"call.{status}", endpoint, at)
        failpoint("ending.inside_commit")
    failpoint("ending.after_commit")


def _enqueue_event(session: Session, runtime: Runtime, call: Call, event: str, endpoint: Endpoint, at: datetime) -> None:
    deliveries.enqueue(
        session,
        call_id=call.call_id,
        event=event,
        endpoint=endpoint,
        kind="event",
        definition_id=event,
        version=str(call.attempt),
        revision=call.runs,
        body=payloads.event_body(event, call, runtime.settings, at),
        at=at,
    )


@task(name="publish", task_run_name="publish", **RETRIED)
def publish(call_id: str, judged: list[Judgement]) -> None:
    """Publish the results of the call."""
    runtime = runtimes.current()
    publish_results(runtime, runtime.lease(call_id), judged)


@task(name="publish-silence", task_run_name="publish silence", **RETRIED)
def publish_silence(call_id: str) -> None:
    """End a call without speech: it is never scored."""
    runtime = runtimes.current()
    _end_with_event(runtime, runtime.lease(call_id), "no_speech", None)
