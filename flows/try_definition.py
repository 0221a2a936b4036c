"""A changed checklist or table on stored calls, before anything is judged by it."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import State, flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled as CancelledState

from core import clock
from core.errors import Cancelled, as_rop
from db import trials
from tasks import runtime as runtimes
from tasks.trial import run_trial


@flow(name="try-definition", flow_run_name="проверка черновика {trial_id}", retries=0)
def try_definition(trial_id: str) -> int | State[Any]:
    """Judge the trial's calls; the number of calls. Whatever happens, the page learns how it ended; a rerun goes on where it stopped."""
    runtime = runtimes.current()
    try:
        return run_trial(runtime, trial_id, partial(runtime.check_cancelled, str(flow_run.id)))
    except Exception as error:
        reason = as_rop(error)
        get_run_logger().warning(reason.text("ru"))
        with runtime.database.begin() as session:
            trials.finish(session, trial_id, clock.now(), reason.text("ru"))
        if isinstance(reason, Cancelled):
            return CancelledState(message=reason.text("ru"))
        raise
