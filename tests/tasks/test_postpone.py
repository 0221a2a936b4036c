"""A call that was stopped by what may pass waits for it: longer each time, not for ever, and in nobody's hands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from core import clock
from core.errors import BadAudio, Cancelled, LeaseLost, RateLimited, RopError, Unavailable, Unreachable
from core.settings import Settings
from db import calls, recovery
from db.engine import Database
from db.models import Call
from tasks import lease as leases
from tasks import runtime as runtimes
from tasks.lease import Lease
from tasks.postpone import JITTER, LONGEST_SECONDS, moment, postpone
from tasks.runtime import Runtime

AT = datetime(2026, 5, 1, tzinfo=UTC)


def test_each_pause_is_twice_the_former_up_to_the_longest() -> None:
    settings = Settings(postpone_seconds=60, wait_out_seconds=1e6)
    for number in range(8):
        due = moment([AT] * number, AT, 0.0, settings)
        assert due is not None
        plain = min(60 * 2**number, LONGEST_SECONDS)
        assert plain <= (due - AT).total_seconds() <= plain * (1 + JITTER)


def test_a_wish_of_the_other_side_is_a_longer_pause() -> None:
    assert moment([], AT, 1000.0, Settings()) == AT + timedelta(seconds=1000)


@pytest.mark.parametrize(("seconds", "waited"), [(0.0, []), (59.0, []), (600.0, [AT - timedelta(seconds=590)])])
def test_what_has_waited_long_enough_waits_no_more(seconds: float, waited: list[datetime]) -> None:
    assert moment(waited, AT, 0.0, Settings(postpone_seconds=60, wait_out_seconds=seconds)) is None


@pytest.fixture
def runtime(database: Database, settings: Settings) -> Runtime:
    made = Runtime(settings)
    made.database = database
    with database.begin() as session:
        calls.accept(session, calls.NewCall("c1", "m", "d", "s", "http://crm/a.mp3", None), clock.now())
    return made


@pytest.fixture
def lease(runtime: Runtime) -> Iterator[Lease]:
    with runtime.holding(leases.claim(runtime.database, runtime.settings, "c1", "run-1"), "run-1") as held:
        yield held


def stored(runtime: Runtime) -> Call:
    with runtime.database.read() as session:
        return calls.get(session, "c1")


def test_a_call_that_waits_shows_why_and_is_nobodys(runtime: Runtime, lease: Lease) -> None:
    due = postpone(runtime, lease, Unavailable())
    call = stored(runtime)
    assert (call.status, call.lease_token, call.lease_until, call.triggered_at) == ("queued", None, None, due)
    assert (call.reason_code, call.reason) == ("unavailable", {"ru": Unavailable().text("ru"), "en": Unavailable().text("en")})
    at = clock.now()
    with runtime.database.read() as session:
        assert [one.call_id for one in recovery.waiting_out(session, at, 10)] == ["c1"]
        assert recovery.unclaimed(session, "live", at, 10) == []
        assert recovery.oldest_waiting(session, "live", at) is None
        assert recovery.waiting_out_for(session, at, at) == {"unavailable": 1}


def test_the_next_run_knows_of_the_wait_and_tries_each_step_once(runtime: Runtime, lease: Lease) -> None:
    assert not runtimes.has_waited()
    postpone(runtime, lease, Unreachable())
    again = leases.claim(runtime.database, runtime.settings, "c1", "run-1")
    assert len(again.waited) == 1
    assert (again.call.reason, again.call.reason_code) == (None, None)
    with runtime.holding(again, "the next"):
        assert runtimes.has_waited()


def test_a_wait_is_no_break(runtime: Runtime, lease: Lease) -> None:
    for _ in range(5):
        postpone(runtime, lease, RateLimited(retry_after=0.1))
        lease.token = leases.claim(runtime.database, runtime.settings, "c1", "run-1").token
    with runtime.database.read() as session:
        call = calls.get(session, "c1")
        assert (call.runs, calls.broken_runs(session, call)) == (6, 1)
        assert len(calls.postponements(session, call)) == 5


def test_a_call_that_failed_and_begins_anew_has_not_waited_yet(runtime: Runtime, lease: Lease) -> None:
    postpone(runtime, lease, Unavailable())
    token = leases.claim(runtime.database, runtime.settings, "c1", "run-1").token
    with runtime.database.begin() as session:
        calls.finish(session, "c1", token, "failed", clock.now(), Unavailable())
    for _ in range(2):
        assert leases.claim(runtime.database, runtime.settings, "c1", "run-1").waited == []


@pytest.mark.parametrize("reason", [BadAudio(), Cancelled(), RopError()])
def test_what_no_wait_helps_against_is_not_waited_out(runtime: Runtime, lease: Lease, reason: RopError) -> None:
    assert postpone(runtime, lease, reason) is None
    assert stored(runtime).status == "downloading"


def test_a_run_that_is_told_to_stop_waits_for_nothing(runtime: Runtime, lease: Lease) -> None:
    lease.stop(Cancelled())
    assert postpone(runtime, lease, Unavailable()) is None


def test_a_run_that_has_lost_the_call_changes_nothing(runtime: Runtime, lease: Lease) -> None:
    taken = leases.claim(runtime.database, runtime.settings, "c1", "run-1")
    with pytest.raises(LeaseLost):
        postpone(runtime, lease, Unavailable())
    assert stored(runtime).lease_token == taken.token
