"""Deleting a call everywhere: the database first, which fences whoever works on it, then what was left outside of the database.

What cannot be removed now, because Prefect is down or a worker is still stopping, is noted and removed by a later `finish`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from core import clock, ids
from core.errors import NotFound, TransientError
from core.failpoints import failpoint
from core.settings import Settings
from core.storage import Storage
from db import calls, erasure
from db.engine import Database
from db.models import Removal
from tasks.prefect_api import PrefectApi, Run
from tasks.step_results import StepResults

FORMATS = ("mp3", "wav", "ogg")
LIMIT = 5_000  # about ten minutes
LIVE = ("RUNNING", "PENDING", "CANCELLING")
LOG_SECONDS = 30  # more than the log lines of a run come after its end: they are sent in batches, and what comes after the deletion stays

log = structlog.get_logger(__name__)


def forget(database: Database, settings: Settings, prefect: PrefectApi, call_id: str, actor: str) -> None:
    """Delete the call, its recording, text, results, deliveries and runs, leaving one audit line; raises `NotFound`.

    Its rows leave the warehouse with the next load.
    """
    with database.begin() as session:
        removal = calls.forget(session, call_id, clock.now(), actor)
    failpoint("forget.after_commit")
    _finish(database, settings, prefect, StepResults(settings), removal)


def finish(database: Database, settings: Settings, prefect: PrefectApi, limit: int = LIMIT) -> int:
    """Remove what deleted calls and expired texts left outside of the database; how many of them left nothing behind now.

    Where hosts share no storage, results of steps stay on another host until its worker finds them too old.
    Looks at `limit` of them at most, the oldest first, and at none while Prefect is down.
    """
    if not prefect.healthy():
        return 0
    with database.read() as session:
        waiting = erasure.removals(session, limit)
    steps = StepResults(settings)
    return sum(_finish(database, settings, prefect, steps, removal) for removal in waiting)


def _finish(database: Database, settings: Settings, prefect: PrefectApi, steps: StepResults, removal: Removal) -> bool:
    try:
        if removal.recording:
            _remove_recording(database, settings, removal.call_id)
            failpoint("forget.after_recording")
        gone_wholly = not _exists(database, removal.call_id)
        steps.forget(removal.call_id, None if gone_wholly else removal.at)
        clean = _remove_runs(settings, prefect, removal, gone_wholly=gone_wholly)
        failpoint("forget.after_runs")
    except (TransientError, OSError) as error:
        log.warning("removal_waits", call_id=removal.call_id, error=getattr(error, "reason", type(error).__name__))
        return False
    if not clean or clock.now() < removal.until:
        return False
    with database.begin() as session:
        erasure.settle(session, removal)
    return True


def _remove_recording(database: Database, settings: Settings, call_id: str) -> None:
    """Every file the call may have; one that was sent anew meanwhile keeps its own, and the sweep of leftovers sees to the rest."""
    if _exists(database, call_id):
        return
    storage, name = Storage(settings), ids.stable_id("rec", call_id)
    part = storage.part(name)
    part.unlink(missing_ok=True)
    part.with_suffix(".json").unlink(missing_ok=True)
    for extension in FORMATS:
        storage.delete(f"{name}.{extension}")


def _remove_runs(settings: Settings, prefect: PrefectApi, removal: Removal, *, gone_wholly: bool) -> bool:
    """Delete the flow runs of the call with their artifacts and logs; False while more may come of one of them."""
    clean = True
    for run in prefect.tagged(f"call:{removal.call_id}"):
        if run.created > removal.at and not gone_wholly:
            continue
        _remove_artifacts(prefect, run.id)
        if clock.now() < _silent_from(settings, removal, run):
            clean = False
            continue
        _delete(prefect, f"/flow_runs/{run.id}")
    return clean


def _silent_from(settings: Settings, removal: Removal, run: Run) -> datetime:
    """When nothing comes of the run any more: its worker has lost the call for good, or its last log lines are there."""
    if run.type in LIVE:
        return removal.at + timedelta(seconds=settings.lease_seconds)
    return run.since + timedelta(seconds=LOG_SECONDS)


def _remove_artifacts(prefect: PrefectApi, flow_run_id: str) -> None:
    for artifact in prefect.pages("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}}}):
        _delete(prefect, f"/artifacts/{artifact['id']}")


def _delete(prefect: PrefectApi, path: str) -> None:
    try:
        prefect.request("DELETE", path)
    except NotFound:
        return


def _exists(database: Database, call_id: str) -> bool:
    with database.read() as session:
        try:
            calls.get(session, call_id)
        except NotFound:
            return False
    return True
