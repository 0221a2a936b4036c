"""Housekeeping: the hourly look at the data that analysts read."""

from __future__ import annotations

from prefect import State, flow
from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed

from tasks import alerts
from tasks import runtime as runtimes
from tasks.cards import escape
from tasks.upkeep import check_quality as check
from warehouse import stores
from warehouse.quality import QualityReport
from warehouse.stores import NotPublished


@flow(name="check-quality", flow_run_name="качество данных", retries=0)
def check_quality() -> State[str]:
    """Check the published warehouse; the report is an artifact, a defect is an alert."""
    runtime = runtimes.current()
    try:
        stores.of(runtime.settings).reader(external=False).close()
    except NotPublished as empty:
        return Completed(message=empty.text("ru"))
    report = check(runtime)
    create_markdown_artifact(key="data-quality", markdown=page(report), description="Качество данных")
    alerts.bad_data(report)
    return Completed(message=f"Проверок: {report.checks}, нарушено: {len(report.broken)}")


def page(report: QualityReport) -> str:
    """The report as Markdown: what is broken and how often, with a few such rows."""
    rows = [f"| {one.severity} | {escape(one.table)} | {escape(one.about)} | {one.count} |" for one in report.broken]
    table = ["| важность | таблица | что ожидалось | нарушено строк |", "|---|---|---|---|", *rows] if rows else ["Нарушений нет."]
    return "\n".join([f"# Проверок: {report.checks}", f"Подробно: {escape(report.pages)}", "", *table])
