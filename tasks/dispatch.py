"""From an accepted call to its flow run. Never the reason why a call is refused: what is not started now is started by the reconciler."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from core import clock, ids
from core.errors import NotFound, TransientError
from core.failpoints import failpoint
from core.settings import Settings
from db import calls, definitions, deliveries, directory
from db.engine import Database
from db.models import Call
from tasks.prefect_api import PrefectApi

PROCESS = "process-call/calls"
RESCORE = "rescore-call/calls"
RESCORE_SINCE = "rescore-since/calls"
DELIVER = "deliver-webhooks/house"
RECONCILE = "reconcile/house"
TRIAL = "try-definition/house"
SCHEDULED_SECONDS = 60  # between two delivery runs of the deployment's own schedule
TOGETHER_SECONDS = 2  # deliveries that come due within this long share a run
EARLY_SECONDS = 1  # more than a run may begin before its time: Prefect waits whole seconds, rounded

log = structlog.get_logger(__name__)


def trigger(database: Database, prefect: PrefectApi, settings: Settings, call_id: str) -> str | None:
    """Start the flow run of the call's present attempt; None when Prefect could not take it now."""
    with database.read() as session:
        call = calls.get(session, call_id)
        tags = _tags(session, call)
    if call.flow_run_id is not None:
        return call.flow_run_id  # somebody else was quicker
    failpoint("trigger.before_start")
    try:
        run = prefect.start(PROCESS, {"call_id": call_id}, key=_key(call), name=call_id, tags=tags, queue=_queue(call, settings))
    except (TransientError, NotFound) as error:
        log.warning("not_triggered", call_id=call_id, error=error.reason, **error.fields)
        return None
    failpoint("trigger.after_start")
    with database.begin() as session:
        calls.mark_triggered(session, call_id, call.attempt, run, clock.now())
    failpoint("trigger.after_mark")
    return run


def _key(call: Call) -> str:
    return f"{call.call_id}:{call.attempt}:{call.runs}:{call.received_at.isoformat()}"


def _tags(session: Session, call: Call) -> list[str]:
    """What ops filter runs by: the call, who made it and where, and what it is judged by."""
    offices = directory.offices_at(session, call.manager_id, call.received_at)
    judged = definitions.routed_ids(session, "checklist", call.deal_stage_id, offices, call.manager_id)
    own = [f"call:{call.call_id}", f"manager:{call.manager_id}", f"deal-stage:{call.deal_stage_id}"]
    return own + [f"office:{one}" for one in offices] + [f"checklist:{one}" for one in judged]


def _queue(call: Call, settings: Settings) -> str:
    return settings.live_queue if call.priority == "live" else settings.bulk_queue


def rescore(database: Database, prefect: PrefectApi, settings: Settings, call_id: str, checklist_id: str | None = None) -> str:
    """Start judging a stored transcript anew; the id of the flow run. Raises `PrefectUnavailable`: nothing was changed, ask again."""
    with database.read() as session:
        tags = _tags(session, calls.get(session, call_id))
    parameters = {"call_id": call_id, "checklist_id": checklist_id}
    return prefect.start(RESCORE, parameters, key=ids.token(), name=call_id, tags=tags, queue=settings.live_queue)


def rescore_since(prefect: PrefectApi, settings: Settings, since: datetime, checklist_id: str | None, webhooks: bool) -> str:
    """Start judging all calls since `since` anew, behind the live ones; the id of the flow run."""
    parameters = {"since": since.isoformat(), "checklist_id": checklist_id, "webhooks": webhooks}
    return prefect.start(RESCORE_SINCE, parameters, key=ids.token(), name="rescore", tags=["rescore"], queue=settings.bulk_queue)


def deliver_soon(database: Database, prefect: PrefectApi, *, overdue: bool = True) -> datetime | None:
    """Start a delivery run for when the next webhook is due, unless the schedule brings one in time; the moment it was made for.

    `overdue` counts what is due already: for who has just made something due or had to leave something. A Prefect that cannot take the
    run leaves it to the schedule.
    """
    at = clock.now()
    with database.read() as session:
        due = deliveries.next_due(session, at, overdue=overdue)
    if due is None or due - at >= timedelta(seconds=SCHEDULED_SECONDS):
        return None
    moment = _together(max(due, at)) + timedelta(seconds=EARLY_SECONDS)
    try:
        prefect.start(DELIVER, {}, key=f"deliver:{moment.isoformat()}", name="доставка вебхуков", tags=[], at=moment)
    except (TransientError, NotFound) as error:
        log.warning("delivery_left_to_schedule", error=error.reason)
        return None
    return moment


def _together(due: datetime) -> datetime:
    """The end of the slot that the moment lies in."""
    return datetime.fromtimestamp(math.ceil(due.timestamp() / TOGETHER_SECONDS) * TOGETHER_SECONDS, UTC)


def try_draft(prefect: PrefectApi, trial_id: str) -> str:
    """Start the flow of a stored trial; its run. Raises `TransientError` or `NotFound` when Prefect cannot take it now."""
    return prefect.start(TRIAL, {"trial_id": trial_id}, key=trial_id, name=trial_id, tags=["trial"])
