"""How Prefect treats a step: what is cached for a rerun, and which errors are worth another try.

Task runs are named in Latin letters: the graph of a run in the Prefect UI draws no others.
"""

from __future__ import annotations

import time
from typing import Any

from prefect import get_run_logger
from prefect.cache_policies import INPUTS, RUN_ID, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff
from sqlalchemy.exc import OperationalError

from core.errors import TransientError
from tasks import runtime as runtimes
from tasks import step_results
from tasks.postpone import waits_again

RETRIES = 4
FIRST_DELAY_SECONDS = 4


class TaskName(CachePolicy):
    """The task's name in the key: without it two tasks with equal inputs return each other's results."""

    def compute_key(self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **_: Any) -> str:
        return task_ctx.task.name


class StepOfCall(CachePolicy):
    """A key, and so the name of a file, that begins with the call: its deletion finds what no run tells of, such as a killed one."""

    def compute_key(self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **_: Any) -> str:
        return f"{step_results.beginning(inputs['call_id'])}_{SAME_STEP.compute_key(task_ctx, inputs, flow_parameters)}"


def may_help(_task: object, _task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a retry may help: the class of the error decides; an unknown error is a defect, which no retry cures.

    What the other side asked to wait is waited out here, up to `retry_after_seconds`: Prefect computes its own delay, which comes on
    top, before it knows the error. A call that was postponed tries each step once and is postponed again: whole queues of calls may
    wait for the same server, and none may hold a worker's place for a minute to learn that it is still down.
    """
    if isinstance(state.data, TransientError):
        if waits_again(state.data):
            return False
        _wait_out(state.data.retry_after or 0.0)
        return True
    return isinstance(state.data, (OperationalError, OSError))


def _wait_out(wish: float) -> None:
    seconds = min(wish, runtimes.current().settings.retry_after_seconds)
    if seconds > 0:
        get_run_logger().info("Другая сторона просит подождать %.0f с, ждём %.0f с", wish, seconds)
        time.sleep(seconds)


SAME_STEP = INPUTS + RUN_ID + TaskName()
# A rerun of the flow finds finished steps here and goes on after them.
RESUMABLE: dict[str, Any] = {"persist_result": True, "cache_policy": StepOfCall()}
RETRIED: dict[str, Any] = {
    "retries": RETRIES,
    "retry_delay_seconds": exponential_backoff(FIRST_DELAY_SECONDS),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": may_help,
}
