"""A call that was stopped by an outage, such as a server that is down, goes on later and holds no place at a worker meanwhile."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core import clock
from core.errors import RateLimited, RopError, TransientError, Unavailable, Unreachable
from core.failpoints import failpoint
from core.settings import Settings
from db import calls
from tasks import runtime as runtimes
from tasks.lease import Lease
from tasks.runtime import Runtime

STATE = "Postponed"  # the name of the state of a run that waits
OUTAGES = (RateLimited, Unreachable, Unavailable)  # another answer of a model may help at once, or never
LONGEST_SECONDS = 900.0
DOUBLINGS = 10  # beyond these every pause is the longest
JITTER = 0.25  # of the pause: calls that failed together must not come back together


@dataclass(frozen=True)
class Wait:
    """Why a call waits, and until when."""

    why: RopError
    until: datetime


def postpone(runtime: Runtime, lease: Lease, errors: Sequence[RopError]) -> Wait | None:
    """Give the call back for a while; None when no wait helps against what stopped it, or when it has waited long enough.

    Raises:
        LeaseLost: another run has the call.
    """
    outages = [error for error in errors if isinstance(error, OUTAGES)]
    at = clock.now()
    until = moment(lease.waited, at, outages, runtime.settings) if outages else None
    if until is None:
        return None
    with runtime.database.begin() as session:
        calls.postpone(session, lease.call.call_id, lease.token, outages[0], until, at)
    failpoint("postpone.after_commit")
    return Wait(outages[0], until)


def moment(waited: Sequence[datetime], at: datetime, outages: Sequence[TransientError], settings: Settings) -> datetime | None:
    """When a call goes on that was postponed at the moments `waited` before; None when that is too long after the first of them."""
    pause = min(settings.postpone_seconds * 2 ** min(len(waited), DOUBLINGS), LONGEST_SECONDS)
    wish = max((outage.retry_after or 0.0 for outage in outages), default=0.0)
    seconds = max(pause * random.uniform(1, 1 + JITTER), wish)  # noqa: S311  no secret
    left = settings.wait_out_seconds - (at - waited[0] if waited else timedelta()).total_seconds()
    return at + timedelta(seconds=seconds) if seconds <= left else None


def waits_again(error: TransientError) -> bool:
    """Whether the call of this run was postponed before and will be for this error: one try a run is enough then."""
    lease, settings = runtimes.held(), runtimes.current().settings
    if lease is None or not lease.waited or not isinstance(error, OUTAGES):
        return False
    return moment(lease.waited, clock.now(), [error], settings) is not None
