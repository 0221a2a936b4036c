"""The one place of recovery: every unfinished call gets a run that ends it, or ends with a reason.

A call asks for help when nobody took it (`unclaimed`) or when whoever took it fell silent (`abandoned`); its flow run in Prefect then
tells what happened. The run is scheduled again and goes on after its last finished step; a new one is made only for a run that is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import structlog

from core import clock
from core.errors import Cancelled, LeaseLost, NotFound, RopError
from core.failpoints import failpoint
from core.settings import Settings
from db import calls, recovery
from db.models import Call
from tasks.dispatch import trigger
from tasks.lease import Lease
from tasks.prefect_api import RESIDENT, PrefectApi, PrefectRefused, Run
from tasks.publish import publish_failure
from tasks.runtime import Runtime

BATCH = 200  # calls of a kind in one sweep: the oldest first, so what is stuck never hides behind what waits
STARTS = 500  # runs made in one sweep: what Prefect takes in half a minute
REFUSALS = 3  # in a sweep: one call that Prefect never takes must not hold up the others, and a Prefect that is down is not asked for each
GRACE_SECONDS = 15.0  # the ingress itself triggers a call within its own time limit; do not race it
SILENT = "Silent"  # the name of the state of a run whose worker was not heard at one sweep
REFUSED = (NotFound, PrefectRefused)  # of one run: the others must not wait for it
ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED"})

log = structlog.get_logger(__name__)

Verdict = Literal["wait", "requeue", "renew", "cancel"]


@dataclass
class Swept:
    """What a sweep did: runs made for forgotten calls, runs started again, calls ended, cancelled runs ended from outside."""

    started: int = 0
    restarted: int = 0
    ended: int = 0
    cancelled: int = 0


def verdict(run: Run | None, seen: datetime, at: datetime, settings: Settings) -> Verdict:
    """What is to be done with the run of a call that is in nobody's hands; `seen` is the call's last sign of life."""
    if run is None:
        return "renew"
    if run.type in {"CANCELLED", "CANCELLING"}:
        return "cancel"
    if run.type in ENDED:
        return "requeue"
    if run.type in {"SCHEDULED", "PAUSED"}:
        return "renew" if _strayed(run, at, settings) else "wait"
    # PENDING or RUNNING since before the last sign of life: its worker is gone. Since later: it may be about to take the call.
    patience = 0.0 if run.since <= seen else settings.pending_seconds
    return "requeue" if at - run.since > timedelta(seconds=patience) else "wait"


def _strayed(run: Run, at: datetime, settings: Settings) -> bool:
    """Late, and in no queue that our workers serve; a late run in a queue of ours only waits its turn."""
    ours = run.pool == settings.work_pool and run.queue in {settings.live_queue, settings.bulk_queue}
    return not ours and at - run.due > timedelta(seconds=settings.late_seconds)


def ending(call: Call) -> tuple[str, str]:
    """The state and its message in which the run of an ended call ends."""
    if call.status in calls.FINISHED:
        return "COMPLETED", ""
    return "CANCELLED" if call.reason_code == Cancelled.code else "FAILED", call.reason["ru"] if call.reason else ""


@dataclass
class Recovery:
    """One sweep. Raises `PrefectUnavailable` as soon as Prefect does not answer: the next sweep goes on from there."""

    runtime: Runtime
    prefect: PrefectApi
    done: Swept = field(default_factory=Swept)

    def sweep(self) -> Swept:
        """Help every call that needs it, then start those that nobody started, live ones first."""
        self._end_cancelled_runs()
        self._end_cancelled_waits()
        self._end_or_restart_orphans()
        self._help(self._adrift())
        if self._start("live", STARTS):
            self._start("bulk", self._bulk_room())
        return self.done

    def _adrift(self) -> list[Call]:
        at = clock.now()
        before = at - timedelta(seconds=self.runtime.settings.pending_seconds)
        with self.runtime.database.read() as session:
            found = calls.abandoned(session, at, BATCH)
            for priority in ("live", "bulk"):
                found += recovery.unclaimed(session, priority, before, BATCH)
        return found

    def _help(self, adrift: Sequence[Call]) -> None:
        known = self.prefect.runs([call.flow_run_id for call in adrift if call.flow_run_id])
        for call in adrift:
            run = known.get(call.flow_run_id or "")
            decided = verdict(run, self._seen(call), clock.now(), self.runtime.settings)
            if decided != "wait" and self._is_adrift(call):
                with suppress(*REFUSED):  # deleted while we looked: the next sweep knows
                    self._act(decided, call, run)

    def _seen(self, call: Call) -> datetime:
        """The last sign of life: the last beat of a call that was taken, the making of the run of one that was not."""
        if call.lease_until is not None:
            return call.lease_until - timedelta(seconds=self.runtime.settings.lease_seconds)
        return call.triggered_at or call.received_at

    def _is_adrift(self, call: Call) -> bool:
        with self.runtime.database.read() as session:
            return recovery.is_adrift(session, call, clock.now())

    def _act(self, decided: Verdict, call: Call, run: Run | None) -> None:
        log.info("recovering", call_id=call.call_id, verdict=decided, run=run and run.type, runs=call.runs)
        if decided == "cancel":
            self._end(call, run, Cancelled(), "CANCELLED")
        elif (broken := self._broken(call)) >= self.runtime.settings.max_attempts:
            self._end(call, run, calls.TooManyRuns(runs=broken), "FAILED")
        elif decided == "requeue" and run is not None:
            self._requeue(call, run)
        else:
            self._renew(call, run)

    def _broken(self, call: Call) -> int:
        with self.runtime.database.read() as session:
            return calls.broken_runs(session, call)

    def _end(self, call: Call, run: Run | None, reason: RopError, state: str) -> None:
        with self.runtime.database.begin() as session:
            claim = recovery.seize(session, call, clock.now())
        if claim is None:
            return
        publish_failure(self.runtime, Lease(self.runtime.database, self.runtime.settings, claim), reason)
        self.done.ended += 1
        if run is not None and run.type != state:
            self.prefect.force(run.id, state, reason.text("ru"))

    def _requeue(self, call: Call, run: Run) -> None:
        failpoint("reconcile.before_requeue")
        self.prefect.requeue(run.id, "Запуск прервался и продолжен с последнего готового шага.")
        failpoint("reconcile.after_requeue")
        self._count(call, run.type.lower())

    def _renew(self, call: Call, run: Run | None) -> None:
        if not self._freed(call, "gone" if run is None else "strayed"):
            return
        failpoint("reconcile.after_unlink")
        self.done.restarted += 1
        if run is not None:
            self.prefect.force(run.id, "CANCELLED", "Запуск потерялся вне очередей и заменён новым.")
        trigger(self.runtime.database, self.prefect, self.runtime.settings, call.call_id)

    def _freed(self, call: Call, why: str) -> bool:
        """Whether the call may have a new run: another sweep, overlapping this one, may have given it one that works already."""
        with self.runtime.database.begin() as session:
            counted = recovery.count_lost_run(session, call, clock.now(), why, renewed=True)
            return counted is not None and calls.unlink_run(session, counted)

    def _count(self, call: Call, why: str) -> None:
        with self.runtime.database.begin() as session:
            recovery.count_lost_run(session, call, clock.now(), why)
        self.done.restarted += 1

    def _end_cancelled_runs(self) -> None:
        """A run that nobody works on any more would stay in Cancelling; whichever flow it is of."""
        settings, at = self.runtime.settings, clock.now()
        for run in self.prefect.cancelling():
            if run.pool in {settings.work_pool, settings.house_pool} and at - run.since > timedelta(seconds=settings.cancel_seconds):
                with suppress(*REFUSED):  # deleted while we looked
                    self.prefect.force(run.id, "CANCELLED", Cancelled().text("ru"))
                    self.done.cancelled += 1

    def _end_cancelled_waits(self) -> None:
        """A postponed call whose run somebody cancelled does not wait for its moment."""
        with self.runtime.database.read() as session:
            waiting = recovery.waiting_out(session, clock.now())
        known = self.prefect.runs([call.flow_run_id for call in waiting if call.flow_run_id])
        for call in waiting:
            run = known.get(call.flow_run_id or "")
            if run is not None and run.type == "CANCELLED" and self._is_adrift(call):
                self._act("cancel", call, run)

    def _end_or_restart_orphans(self) -> None:
        """Runs whose worker died: after the end of their call, or without a call, as rescorings and housekeeping are."""
        before = clock.now() - timedelta(seconds=self.runtime.settings.pending_seconds)
        going = [run for run in self.prefect.going() if run.since <= before]
        of_calls = [run for run in going if run.flow == self.prefect.flow("process-call")]
        self._end_runs(of_calls, before)
        settings = self.runtime.settings
        for pool in (settings.work_pool, settings.house_pool):
            self._restart_orphans(pool, [run for run in going if run not in of_calls and run.pool == pool])

    def _end_runs(self, going: Sequence[Run], before: datetime) -> None:
        """Of calls that ended before, and of calls that another run has or that were deleted."""
        with self.runtime.database.read() as session:
            endings = {call.flow_run_id or "": ending(call) for call in recovery.ended(session, [run.id for run in going], before)}
            passed_on = recovery.passed_on(session, {run.id: run.call_id for run in going})
        endings |= dict.fromkeys(passed_on, ("CANCELLED", LeaseLost().text("ru")))
        for run_id, (state, message) in endings.items():
            with suppress(*REFUSED):
                self.prefect.force(run_id, state, message)
                self.done.ended += 1

    def _restart_orphans(self, pool: str, going: Sequence[Run]) -> None:
        """Of a pool of ours: others keep other marks of their workers. With nobody online Prefect itself was away until now."""
        if not going or self.prefect.pool_kind(pool) != RESIDENT or not (online := self.prefect.workers(pool)):
            return
        for run in going:
            if run.worker not in online:
                with suppress(*REFUSED):
                    self._restart_or_warn(run)

    def _restart_or_warn(self, run: Run) -> None:
        """After an outage of Prefect one worker is heard before another: who is silent has until a later sweep."""
        never_begun = run.type == "PENDING" and not run.worker
        if never_begun or run.state == SILENT:
            self.prefect.requeue(run.id, "Воркер пропал, запуск продолжен.")
            self.done.restarted += 1
        else:
            self.prefect.force(run.id, run.type, "Воркер молчит. Если не отзовётся, запуск продолжит другой.", SILENT)

    def _start(self, priority: str, room: int) -> bool:
        """Make runs for up to `room` calls that have none, in order of receipt; false when Prefect takes no more."""
        before = clock.now() - timedelta(seconds=GRACE_SECONDS)
        with self.runtime.database.read() as session:
            waiting = calls.untriggered(session, before, max(room, 0), priority)
        refused = 0
        for call in waiting:
            try:
                run = trigger(self.runtime.database, self.prefect, self.runtime.settings, call.call_id)
            except NotFound:
                continue  # deleted meanwhile
            if run is not None:
                self.done.started += 1
            elif (refused := refused + 1) == REFUSALS:
                return False
        return True

    def _bulk_room(self) -> int:
        with self.runtime.database.read() as session:
            return self.runtime.settings.bulk_ahead - recovery.count_queued(session, "bulk", clock.now())
