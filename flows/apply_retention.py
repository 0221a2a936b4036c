"""Housekeeping: recordings and texts that are old enough go (C45)."""

from __future__ import annotations

from prefect import State, flow
from prefect.states import Completed

from tasks import retention
from tasks import runtime as runtimes


@flow(name="apply-retention", flow_run_name="сроки хранения", retries=0)
def apply_retention() -> State[str]:
    """Delete what is older than the settings allow; what was deleted is in the state's message."""
    report = retention.apply_retention(runtimes.current())
    return Completed(message=f"Удалено записей: {report.recordings}, текстов: {report.texts}, лишних файлов: {report.leftovers}")
