"""Housekeeping: what a night brings to the warehouse and to Prefect's own history."""

from __future__ import annotations

from contextlib import closing

from prefect import flow, get_run_logger

from tasks import runtime as runtimes
from tasks.prefect_api import PrefectApi
from tasks.upkeep import keep_up as tend

HOUSE_TAG = "house"  # of every scheduled deployment in prefect.yaml
DELETED_AT_MOST = 10_000  # runs in one night: more than two nights leave behind


@flow(name="keep-up", flow_run_name="ночное обслуживание", retries=0)
def keep_up() -> int:
    """Tend the warehouse, and forget the housekeeping runs that ended well; how many of those. Raises what broke in the former."""
    runtime = runtimes.current()
    tended = tend(runtime, return_state=True)
    with closing(PrefectApi(runtime.settings)) as prefect:
        gone = prefect.delete_completed(HOUSE_TAG, runtime.settings.house_run_keep_seconds, DELETED_AT_MOST)
    get_run_logger().info("Удалено старых служебных запусков: %s", gone)
    tended.result()
    return gone
