"""Judging stored transcripts anew: one call, or every call since a moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import State, flow, get_run_logger, task
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from core.errors import Cancelled as CancelledError
from core.errors import RopError
from db import calls
from tasks import runtime as runtimes
from tasks.cards import show_card
from tasks.notify import notify_if_owed
from tasks.policy import RESUMABLE, RETRIED
from tasks.progress import ShownProgress
from tasks.rescore import Wanted, rescore_call


@flow(name="rescore-call", flow_run_name="пересчёт {call_id}", retries=0)
def rescore_one(call_id: str, checklist_id: str | None = None) -> State[Any]:
    """Judge one call by the active versions and send the new results."""
    try:
        rescore(call_id, checklist_id, True)
    except RopError as error:
        return Failed(message=error.text("ru"))
    notify_if_owed(call_id)
    return Completed(message=show_card(runtimes.current(), call_id))


@flow(name="rescore-since", flow_run_name="пересчёт с {since}", retries=0)
def rescore_since(since: datetime, checklist_id: str | None = None, webhooks: bool = False) -> State[Any]:
    """Judge every done call received since `since`. A rerun goes on where it stopped."""
    try:
        judged = _judge_all(since, checklist_id, webhooks)
    except CancelledError as cancelled:
        return Cancelled(message=cancelled.text("ru"))
    return Completed(message=f"Пересчитано звонков: {judged}")


def _judge_all(since: datetime, checklist_id: str | None, webhooks: bool) -> int:
    runtime = runtimes.current()
    with runtime.database.read() as session:
        call_ids = calls.done_since(session, since)
    shown = ShownProgress(lambda _: runtime.check_cancelled(str(flow_run.id)), f"Пересчёт звонков: {len(call_ids)}")
    judged = 0
    for number, call_id in enumerate(call_ids):
        shown(number / len(call_ids))
        try:
            judged += bool(rescore(call_id, checklist_id, webhooks))
        except RopError as error:
            get_run_logger().warning("%s: %s", call_id, error.text("ru"))
    shown(1.0)
    return judged


@task(name="rescore", task_run_name="rescore {call_id}", **RESUMABLE, **RETRIED)
def rescore(call_id: str, checklist_id: str | None, webhooks: bool) -> int:
    """New results of one call; how many."""
    return rescore_call(runtimes.current(), call_id, Wanted(checklist_id, webhooks))
