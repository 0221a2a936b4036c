"""The one place of recovery: calls that no run was made for, and runs whose worker is gone."""

from __future__ import annotations

from datetime import timedelta

from prefect import flow, get_run_logger

from core import clock
from core.errors import NotFound, TransientError
from db import calls
from db.models import Call
from tasks import runtime as runtimes
from tasks.dispatch import trigger
from tasks.prefect_api import PrefectApi
from tasks.runtime import Runtime

BATCH = 500
GRACE_SECONDS = 15.0  # the ingress itself triggers a call within its own time limit; do not race it


@flow(name="reconcile", flow_run_name="сверка", retries=0)
def reconcile() -> int:
    """Start what was not started, restart what lost its worker; the number of calls moved."""
    runtime = runtimes.current()
    prefect = PrefectApi(runtime.settings)
    try:
        moved = _start_forgotten(runtime, prefect) + _restart_abandoned(runtime, prefect)
    finally:
        prefect.close()
    get_run_logger().info("Возвращено в работу звонков: %s", moved)
    return moved


def _start_forgotten(runtime: Runtime, prefect: PrefectApi) -> int:
    before = clock.now() - timedelta(seconds=GRACE_SECONDS)
    with runtime.database.read() as session:
        waiting = calls.untriggered(session, before, BATCH)
    return sum(trigger(runtime.database, prefect, runtime.settings, call.call_id) is not None for call in waiting)


def _restart_abandoned(runtime: Runtime, prefect: PrefectApi) -> int:
    with runtime.database.read() as session:
        silent = calls.abandoned(session, clock.now(), BATCH)
    return sum(_restart(runtime, prefect, call) for call in silent)


def _restart(runtime: Runtime, prefect: PrefectApi, call: Call) -> bool:
    try:
        prefect.requeue(call.flow_run_id or "", "Воркер не отвечает, запуск возвращён в очередь.")
    except NotFound:
        with runtime.database.begin() as session:
            calls.unlink_run(session, call.call_id)
        return trigger(runtime.database, prefect, runtime.settings, call.call_id) is not None
    except TransientError:
        return False
    return True
