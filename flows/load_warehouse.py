"""Housekeeping: bring the warehouse up to date and publish it for readers."""

from __future__ import annotations

from prefect import flow, get_run_logger

from tasks import runtime as runtimes
from tasks.load import load


@flow(name="load-warehouse", flow_run_name="загрузка хранилища", retries=0)
def load_warehouse() -> int:
    """Load what changed since the last run; the number of calls loaded."""
    report = load(runtimes.current())
    get_run_logger().info("Загружено звонков: %s, опубликовано: %s", report.calls, report.published)
    return report.calls
