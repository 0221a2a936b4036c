"""The one place of recovery: calls without a run, runs without a worker, and what ops should hear of."""

from __future__ import annotations

from contextlib import closing

from prefect import flow, get_run_logger

from tasks import alerts, forget
from tasks import runtime as runtimes
from tasks.prefect_api import PrefectApi, PrefectUnavailable
from tasks.recovery import Recovery, Swept

REMOVALS = 50  # a minute's share; the nightly retention does the rest


@flow(name="reconcile", flow_run_name="сверка", retries=0)
def reconcile() -> int:
    """Start what was not started, restart what lost its worker, end what was cancelled; the number of calls moved."""
    runtime, done = runtimes.current(), Swept()
    with closing(PrefectApi(runtime.settings)) as prefect:
        try:
            Recovery(runtime, prefect, done).sweep()
        except PrefectUnavailable as error:
            get_run_logger().warning("Prefect отвечает не на всё, остальное сделает следующая сверка: %s", error.fields)
        forget.finish(runtime.database, runtime.settings, prefect, REMOVALS)
    alerts.watch_queue(runtime)
    alerts.watch_outage(runtime)
    get_run_logger().info("Запущено: %s, продолжено: %s, завершено: %s", done.started, done.restarted, done.ended + done.cancelled)
    return done.started + done.restarted + done.ended
