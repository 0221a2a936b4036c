"""A call that was stopped by what may pass, such as a server that is down, goes on later and holds no place at a worker meanwhile."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from core import clock
from core.errors import RopError, TransientError
from core.failpoints import failpoint
from core.settings import Settings
from db import calls
from tasks.lease import Lease
from tasks.runtime import Runtime

STATE = "Postponed"  # the name of the state of a run that waits
LONGEST_SECONDS = 900.0
JITTER = 0.25  # of the pause: calls that failed together must not come back together


def postpone(runtime: Runtime, lease: Lease, reason: RopError) -> datetime | None:
    """Give the call back until the moment that is returned; None when no wait helps against the reason, or it has waited long enough.

    Raises:
        LeaseLost: another run has the call.
    """
    if not isinstance(reason, TransientError) or lease.stopping:
        return None
    at = clock.now()
    due = moment(lease.waited, at, reason.retry_after or 0.0, runtime.settings)
    if due is None:
        return None
    with runtime.database.begin() as session:
        calls.postpone(session, lease.call.call_id, lease.token, reason, due, at)
    failpoint("postpone.after_commit")
    return due


def moment(waited: Sequence[datetime], at: datetime, wish: float, settings: Settings) -> datetime | None:
    """When a call goes on that was postponed at the moments `waited` before; None when that is too long after the first of them."""
    pause = min(settings.postpone_seconds * 2 ** len(waited), LONGEST_SECONDS) * random.uniform(1, 1 + JITTER)  # noqa: S311  no secret
    due = at + timedelta(seconds=max(pause, wish))
    return due if due - (waited[0] if waited else at) <= timedelta(seconds=settings.wait_out_seconds) else None
