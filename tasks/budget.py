"""The language model's budget: so many requests a minute, however many workers share the server."""

from __future__ import annotations

import time
from contextlib import closing

import structlog
from prefect.runtime import flow_run

from core import clock
from core.errors import NotFound
from core.settings import Settings
from tasks import runtime as runtimes
from tasks.prefect_api import LLM_LIMIT, PrefectApi, PrefectUnavailable

LOOK_SECONDS = 1.0  # between two looks at whether the run was told to stop

log = structlog.get_logger(__name__)


def wait_for_turn(settings: Settings) -> None:
    """Wait for one's turn at the global limit `llm`, which `rop deploy` makes. The wait does not count towards the time of the step.

    Raises:
        Cancelled, LeaseLost: the run has to stop.
    """
    with closing(PrefectApi(settings)) as prefect:
        try:
            while (seconds := prefect.take_slot(LLM_LIMIT)) > 0:
                _wait(seconds)
        except (NotFound, PrefectUnavailable) as error:
            # A limit nobody made, or Prefect away: the model's server still says no by itself, and its Retry-After is honoured.
            log.warning("llm_budget_unknown", error=error.reason)


def _wait(seconds: float) -> None:
    end = clock.monotonic() + seconds
    while (left := end - clock.monotonic()) > 0:
        _pause(min(left, LOOK_SECONDS))


def _pause(seconds: float) -> None:
    lease = runtimes.held()
    if lease is None:
        runtimes.current().check_cancelled(str(flow_run.id))
    else:
        lease.check()
        lease.excuse(seconds)
    time.sleep(seconds)
