"""Step 6: the first attempt of the call's webhooks, at once; later attempts are housekeeping."""

from __future__ import annotations

from contextlib import closing

from prefect import get_run_logger, task

from db import deliveries
from tasks import alerts, dispatch
from tasks import runtime as runtimes
from tasks.prefect_api import PrefectApi
from tasks.webhooks import deliver_due


def notify_if_owed(call_id: str) -> None:
    """The step, for a call that somebody wants to hear of. The call has ended: what fails here is left to housekeeping."""
    try:
        with runtimes.current().database.read() as session:
            owed = deliveries.owed(session, call_id)
        if owed:
            notify(call_id)
    except Exception:  # noqa: BLE001  whatever it is, it must not hide how the call ended
        get_run_logger().warning("webhooks of %s are left to the next delivery run", call_id, exc_info=True)


@task(name="notify", task_run_name="notify")
def notify(call_id: str) -> int:
    """Send what is due for the call; the number that was delivered. A receiver that is down never fails the call."""
    runtime = runtimes.current()
    report = deliver_due(runtime.database, runtime.settings, runtime.http, call_id)
    get_run_logger().info("Вебхуки: доставлено %d, отложено %d, исчерпано %d", report.delivered, report.postponed, report.dead)
    alerts.dead_letters(report.dead)
    if report.postponed:
        with closing(PrefectApi(runtime.settings)) as prefect:
            dispatch.deliver_soon(runtime.database, prefect)
    return report.delivered
