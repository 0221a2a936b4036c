"""What ops should hear of and no flow state shows: emitted as Prefect events, for which `rop deploy` keeps automations."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from core import clock
from db import recovery
from tasks.runtime import Runtime

if TYPE_CHECKING:
    from warehouse.quality import QualityReport  # not at run time: DuckDB stays out of the workers that hear calls

DEAD_LETTERS = "rop.deliveries.dead"
OLD_QUEUE = "rop.queue.old"
OUTAGE = "rop.calls.postponed"
BAD_DATA = "rop.quality.failed"


def dead_letters(count: int) -> None:
    """Webhooks were given up; nothing is said of none."""
    if count:
        _emit(DEAD_LETTERS, f"Вебхуки больше не повторяются: {count}. Повторить вручную: rop delivery replay.", count=count)


def watch_queue(runtime: Runtime) -> None:
    """Say so when a live call waits for longer than the limit."""
    with runtime.database.read() as session:
        oldest = recovery.oldest_waiting(session, "live", clock.now())
    if (seconds := _age(oldest)) > runtime.settings.queue_alert_seconds:
        _emit(OLD_QUEUE, f"Звонок ждёт обработки уже {seconds / 60:.0f} мин: не хватает воркеров или они стоят.", seconds=round(seconds))


def watch_outage(runtime: Runtime) -> None:
    """Say so when calls wait for longer than the limit until something outside works again."""
    at = clock.now()
    with runtime.database.read() as session:
        waiting = recovery.waiting_out_for(session, at - timedelta(seconds=runtime.settings.queue_alert_seconds), at)
    if waiting:
        reasons = ", ".join(f"{code} ({count})" for code, count in sorted(waiting.items()))
        _emit(OUTAGE, f"Звонки отложены до конца сбоя и продолжатся сами: {reasons}.", count=sum(waiting.values()))


def bad_data(report: QualityReport) -> None:
    """A quality check found defects; warnings alone are no alarm."""
    if not report.is_sound:
        broken = "; ".join(f"{one.table}: {one.about} ({one.count})" for one in report.broken if one.severity == "critical")
        _emit(BAD_DATA, f"Проверка качества данных: {broken}", pages=report.pages)


def _age(moment: datetime | None) -> float:
    return 0.0 if moment is None else (clock.now() - moment).total_seconds()


def _emit(event: str, message: str, **facts: int | str) -> None:
    from prefect.events import emit_event  # the command line knows the names alone

    emit_event(event=event, resource={"prefect.resource.id": event, "prefect.resource.name": event}, payload={"message": message} | facts)
