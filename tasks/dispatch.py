"""From an accepted call to its flow run. Never the reason why a call is refused: what is not started now is started by the reconciler."""

from __future__ import annotations

from datetime import datetime

import structlog

from core import clock, ids
from core.errors import NotFound, TransientError
from core.settings import Settings
from db import calls
from db.engine import Database
from db.models import Call
from tasks.prefect_api import PrefectApi

PROCESS = "process-call/calls"
RESCORE = "rescore-call/calls"
RESCORE_SINCE = "rescore-since/calls"

log = structlog.get_logger(__name__)


def trigger(database: Database, prefect: PrefectApi, settings: Settings, call_id: str) -> str | None:
    """Start the flow run of the call's present attempt; None when Prefect could not take it now."""
    with database.read() as session:
        call = calls.get(session, call_id)
    try:
        run = prefect.start(PROCESS, {"call_id": call_id}, key=_key(call), name=call_id, tags=_tags(call), queue=_queue(call, settings))
    except (TransientError, NotFound) as error:
        log.warning("not_triggered", call_id=call_id, error=error.reason)
        return None
    with database.begin() as session:
        calls.mark_triggered(session, call_id, call.attempt, run, clock.now())
    return run


def _key(call: Call) -> str:
    return f"{call.call_id}:{call.attempt}:{call.runs}:{call.received_at.isoformat()}"


def _tags(call: Call) -> list[str]:
    return [f"call:{call.call_id}", f"manager:{call.manager_id}", f"deal-stage:{call.deal_stage_id}"]


def _queue(call: Call, settings: Settings) -> str:
    return settings.live_queue if call.priority == "live" else settings.bulk_queue


def rescore(database: Database, prefect: PrefectApi, settings: Settings, call_id: str, checklist_id: str | None = None) -> str:
    """Start judging a stored transcript anew; the id of the flow run. Raises `PrefectUnavailable`: nothing was changed, ask again."""
    with database.read() as session:
        call = calls.get(session, call_id)
    parameters = {"call_id": call_id, "checklist_id": checklist_id}
    return prefect.start(RESCORE, parameters, key=ids.token(), name=call_id, tags=_tags(call), queue=settings.live_queue)


def rescore_since(prefect: PrefectApi, settings: Settings, since: datetime, checklist_id: str | None, webhooks: bool) -> str:
    """Start judging all calls since `since` anew, behind the live ones; the id of the flow run."""
    parameters = {"since": since.isoformat(), "checklist_id": checklist_id, "webhooks": webhooks}
    return prefect.start(RESCORE_SINCE, parameters, key=ids.token(), name="rescore", tags=["rescore"], queue=settings.bulk_queue)
