"""Housekeeping: send the webhooks whose time has come."""

from __future__ import annotations

from prefect import flow, get_run_logger

from tasks import runtime as runtimes
from tasks.webhooks import deliver_due

BATCH = 200


@flow(name="deliver-webhooks", flow_run_name="доставка вебхуков", retries=0)
def deliver_webhooks() -> int:
    """Try every due delivery once; the number that the receivers took."""
    runtime = runtimes.current()
    report = deliver_due(runtime.database, runtime.settings, runtime.http, limit=BATCH)
    get_run_logger().info("Вебхуки: доставлено %s, отложено %s, исчерпано %s", report.delivered, report.postponed, report.dead)
    return report.delivered
