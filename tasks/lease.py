"""A run's hold on its call, kept alive by a thread of its own so that long steps need not think of it."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import ClassVar, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import clock
from core.errors import LeaseLost, PermanentError, RopError
from core.failpoints import failpoint
from core.settings import Settings
from db import calls
from db.engine import Database
from db.models import Call

BEAT_SECONDS = 2.0  # how soon progress is seen outside; a beat is one indexed update

log = structlog.get_logger(__name__)


class TimedOut(PermanentError):
    """A step took longer than its limit: what hung once hangs again."""

    code = "timed_out"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Шаг «{step}» не уложился в {seconds:.0f} с.",
        "en": "The step {step} took longer than {seconds:.0f} s.",
    }


class Lease:
    """Prolongs the claim until the block ends. `check` raises as soon as the run has to stop.

    `waited` tells when the call was postponed before.
    """

    def __init__(self, database: Database, settings: Settings, claim: calls.Claim, waited: Sequence[datetime] = ()) -> None:
        self.call: Call = claim.call
        self.token = claim.token
        self.finished = claim.finished
        self.waited = waited
        self._database = database
        self._seconds = settings.lease_seconds
        self._hang_seconds = settings.hang_seconds
        self._fraction = 0.0
        self._stop_with: RopError | None = None
        self._deadline = math.inf
        self._too_slow = TimedOut(step="", seconds=0.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{self.call.call_id}", daemon=True)

    def __enter__(self) -> Self:
        if not self.finished:
            self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def heed(self) -> None:
        """Raise the reason to stop, if the run was told to: the lease was lost, or a person cancelled."""
        if self._stop_with is not None:
            raise self._stop_with

    def check(self) -> None:
        """The same; or that the step is over its time."""
        self.heed()
        if clock.monotonic() > self._deadline:
            raise self._too_slow

    def progress(self, fraction: float) -> None:
        """Tell the share of the present step, 0 to 1, and check."""
        self._fraction = fraction
        self.check()

    def enter(self, status: str, seconds: float = math.inf) -> None:
        """Begin the next step, or another try of it, which may take `seconds`; the outside sees `status` at once."""
        self._deadline, self._too_slow = math.inf, TimedOut(step=status, seconds=seconds)
        self.check()
        self._deadline = clock.monotonic() + seconds
        self._fraction = 0.0
        self._beat(status=status)

    def excuse(self, seconds: float) -> None:
        """Give the step so much more time: it had to wait for what others use."""
        self._deadline += seconds

    @property
    def stop_reason(self) -> RopError | None:
        """Why the run was told to stop, if it was."""
        return self._stop_with

    @property
    def hangs(self) -> bool:
        """Far over its time and deaf to checks, as native code can be: it beats no more, and its worker starts anew."""
        return clock.monotonic() > self._deadline + self._hang_seconds

    def stop(self, reason: RopError) -> None:
        """Make the next `check` raise `reason`; called from another thread."""
        self._stop_with = self._stop_with or reason

    def abandon(self) -> None:
        """Make the run leave without a word: it was ended from outside, and its state is no longer its own to set."""
        self._stop_with = LeaseLost(call_id=self.call.call_id)

    def give_back(self) -> bool:
        """Return the call to the queue and stop the run: its worker is going away. False when the call is another run's by now."""
        self.stop(LeaseLost(call_id=self.call.call_id))
        with self._database.begin() as session:
            return calls.release(session, self.call.call_id, self.token, clock.now())

    def _keep(self) -> None:
        while not self._ended.wait(BEAT_SECONDS) and not self.hangs:
            try:
                self._beat(progress=self._fraction)
            except LeaseLost as lost:
                self.stop(lost)
                return
            except SQLAlchemyError:
                log.warning("lease_beat_failed", call_id=self.call.call_id, exc_info=True)

    def _beat(self, **values: object) -> None:
        until = clock.now() + timedelta(seconds=self._seconds)
        with self._database.begin() as session:
            calls.beat(session, self.call.call_id, self.token, until, **values)


def claim(database: Database, settings: Settings, call_id: str, flow_run_id: str) -> Lease:
    """Take the call for this flow run; see `db.calls.claim` for what it raises."""
    with database.begin() as session:
        claimed = calls.claim(session, call_id, flow_run_id, clock.now(), settings.lease_seconds)
        waited = calls.postponements(session, claimed.call)
        failpoint("claim.before_commit")
    failpoint("claim.after_commit")
    return Lease(database, settings, claimed, waited)
