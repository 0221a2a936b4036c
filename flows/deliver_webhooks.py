"""Housekeeping: send the webhooks whose time has come."""

from __future__ import annotations

from contextlib import closing

from prefect import flow, get_run_logger

from tasks import alerts, dispatch
from tasks import runtime as runtimes
from tasks.prefect_api import PrefectApi
from tasks.webhooks import DeliveryReport, deliver_due

BATCH = 200


@flow(name="deliver-webhooks", flow_run_name="доставка вебхуков", retries=0)
def deliver_webhooks() -> int:
    """Try every due delivery once, and have a run made for what comes due before the next scheduled one; the number that was taken."""
    runtime = runtimes.current()
    report = deliver_due(runtime.database, runtime.settings, runtime.http, limit=BATCH)
    get_run_logger().info("Вебхуки: доставлено %s, отложено %s, исчерпано %s", report.delivered, report.postponed, report.dead)
    alerts.dead_letters(report.dead)
    with closing(PrefectApi(runtime.settings)) as prefect:
        # Who found nothing to take makes no run for what others are busy with: such runs would follow each other without end.
        dispatch.deliver_soon(runtime.database, prefect, overdue=report != DeliveryReport())
    return report.delivered
