"""Judging stored transcripts anew: one call, or every call since a moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import State, flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from core.errors import Cancelled as CancelledError
from core.errors import RopError
from db import calls
from db.definitions import kind_of
from tasks import runtime as runtimes
from tasks.cards import show_card
from tasks.notify import notify_if_owed
from tasks.progress import ShownProgress
from tasks.publish import judgement
from tasks.rescore import judge, refuse_failures, store, work_left
from tasks.runtime import Runtime


@flow(name="rescore-call", flow_run_name="пересчёт {call_id}", retries=0)
def rescore_one(call_id: str, checklist_id: str | None = None) -> State[Any]:
    """Judge one call by the active versions and send the new results; fails with the reasons of those that could not be judged."""
    try:
        rescore(runtimes.current(), call_id, checklist_id, webhooks=True)
    except CancelledError as cancelled:
        return Cancelled(message=cancelled.text("ru"))
    except RopError as error:
        notify_if_owed(call_id)  # some results may be new all the same
        return Failed(message=error.text("ru"))
    notify_if_owed(call_id)
    return Completed(message=show_card(runtimes.current(), call_id))


@flow(name="rescore-since", flow_run_name="пересчёт с {since}", retries=0)
def rescore_since(since: datetime, checklist_id: str | None = None, webhooks: bool = False) -> State[Any]:
    """Judge every done call received since `since`. A rerun goes on where it stopped."""
    try:
        judged, failed = _judge_all(since, checklist_id, webhooks)
    except CancelledError as cancelled:
        return Cancelled(message=cancelled.text("ru"))
    return Completed(message=f"Пересчитано звонков: {judged}" + (f", с ошибками: {failed}" if failed else ""))


def _judge_all(since: datetime, checklist_id: str | None, webhooks: bool) -> tuple[int, int]:
    """How many calls were judged by everything, and how many were not."""
    runtime = runtimes.current()
    with runtime.database.read() as session:
        call_ids = calls.done_since(session, since)
    shown = ShownProgress(lambda _: runtime.check_cancelled(str(flow_run.id)), f"Пересчёт звонков: {len(call_ids)}")
    judged = failed = 0
    for number, call_id in enumerate(call_ids):
        shown(number / len(call_ids))
        try:
            judged += bool(rescore(runtime, call_id, checklist_id, webhooks=webhooks))
        except CancelledError:
            raise
        except RopError as error:
            get_run_logger().warning("%s: %s", call_id, error.text("ru"))
            failed += 1
    shown(1.0)
    return judged, failed


def rescore(runtime: Runtime, call_id: str, checklist_id: str | None, *, webhooks: bool) -> int:
    """New results of one call; how many this run has stored. What could not be judged raises `NotJudged` when the others are stored."""
    work = work_left(runtime, call_id, checklist_id, str(flow_run.id))
    answers = [judge.submit(call_id, kind_of(d), d.id, d.version, work.heard) for d in work.asked]
    judged = [judgement(d, a.result(raise_on_failure=False)) for d, a in zip(work.asked, answers, strict=True)]
    good = [one for one in judged if one.error is None]
    if good:
        store(call_id, good, webhooks)
    refuse_failures(judged)
    return work.stored + len(good)
