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
from tasks.engines.analyst.openai.errors import BadAnswer
from tasks.lease import Lease
from tasks.postpone import JITTER, LONGEST_SECONDS, moment, postpone, waits_again
from tasks.runtime import Runtime

AT = datetime(2026, 5, 1, tzinfo=UTC)


def test_each_pause_is_twice_the_former_up_to_the_longest() -> None:
    settings = Settings(postpone_seconds=60, wait_out_seconds=1e6)
    for number in range(8):
        due = moment([AT] * number, AT, [], settings)
        assert due is not None
        plain = min(60 * 2**number, LONGEST_SECONDS)
        assert plain <= (due - AT).total_seconds() <= plain * (1 + JITTER)


def test_a_wish_of_the_other_side_is_a_longer_pause() -> None:
    outages = [Unavailable(), RateLimited(retry_after=1000.0), Unavailable(retry_after=10.0)]
    assert moment([], AT, outages, Settings()) == AT + timedelta(seconds=1000)


@pytest.mark.parametrize(("seconds", "waited"), [(0.0, []), (59.0, []), (600.0, [AT - timedelta(seconds=590)])])
def test_what_has_waited_long_enough_waits_no_more(seconds: float, waited: list[datetime]) -> None:
    assert moment(waited, AT, [], Settings(postpone_seconds=60, wait_out_seconds=seconds)) is None


def test_no_wish_and_no_number_of_waits_is_too_much() -> None:
    assert moment([], AT, [RateLimited(retry_after=1e300)], Settings()) is None
    assert moment([AT] * 5000, AT, [], Settings()) is not None


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
    wait = postpone(runtime, lease, [BadAudio(), Unavailable(), Unreachable()])
    call = stored(runtime)
    assert wait is not None
    assert isinstance(wait.why, Unavailable)
    assert (call.status, call.lease_token, call.lease_until, call.triggered_at) == ("queued", None, None, wait.until)
    assert (call.reason_code, call.reason) == ("unavailable", {"ru": Unavailable().text("ru"), "en": Unavailable().text("en")})
    at = clock.now()
    with runtime.database.read() as session:
        assert [one.call_id for one in recovery.waiting_out(session, at)] == ["c1"]
        assert recovery.unclaimed(session, "live", at, 10) == []
        assert recovery.count_queued(session, "live", at) == 0
        assert recovery.oldest_waiting(session, "live", at) is None
        assert recovery.oldest_waiting(session, "live", wait.until) == wait.until, "it waits for a worker since then"
        assert recovery.waiting_out_for(session, at, at) == {"unavailable": 1}
        assert recovery.waiting_out_for(session, at - timedelta(seconds=60), at) == {}, "not for so long"


def test_the_next_run_knows_of_the_wait_and_tries_each_step_once(runtime: Runtime, lease: Lease) -> None:
    runtimes.use(runtime)
    assert not waits_again(Unreachable())
    postpone(runtime, lease, [Unreachable()])
    again = leases.claim(runtime.database, runtime.settings, "c1", "run-1")
    assert len(again.waited) == 1
    assert (again.call.reason, again.call.reason_code) == (None, None)
    with runtime.holding(again, "the next"):
        assert waits_again(Unreachable())
        assert not waits_again(BadAnswer(what="a test")), "another answer may be better"
        again.waited = [clock.now() - timedelta(days=1)]
        assert not waits_again(Unreachable()), "it will not wait any more"


def test_a_wait_is_no_break(runtime: Runtime, lease: Lease) -> None:
    for _ in range(5):
        postpone(runtime, lease, [RateLimited(retry_after=0.1)])
        lease.token = leases.claim(runtime.database, runtime.settings, "c1", "run-1").token
    with runtime.database.read() as session:
        call = calls.get(session, "c1")
        assert (call.runs, calls.broken_runs(session, call)) == (6, 1)
        assert len(calls.postponements(session, call)) == 5


def test_a_call_that_failed_and_begins_anew_has_not_waited_yet(runtime: Runtime, lease: Lease) -> None:
    postpone(runtime, lease, [Unavailable()])
    token = leases.claim(runtime.database, runtime.settings, "c1", "run-1").token
    with runtime.database.begin() as session:
        calls.finish(session, "c1", token, "failed", clock.now(), Unavailable())
    for _ in range(2):
        assert leases.claim(runtime.database, runtime.settings, "c1", "run-1").waited == []


@pytest.mark.parametrize("reason", [BadAudio(), Cancelled(), RopError(), BadAnswer(what="a test")])
def test_what_no_wait_helps_against_is_not_waited_out(runtime: Runtime, lease: Lease, reason: RopError) -> None:
    assert postpone(runtime, lease, [reason]) is None
    assert stored(runtime).status == "downloading"


def test_a_call_that_began_early_and_was_given_back_waits_for_nothing_but_a_worker(runtime: Runtime, lease: Lease) -> None:
    postpone(runtime, lease, [RateLimited(retry_after=18_000.0)])
    assert leases.claim(runtime.database, runtime.settings, "c1", "run-1").give_back()
    with runtime.database.read() as session:
        assert recovery.waiting_out(session, clock.now()) == []
        assert [one.call_id for one in recovery.unclaimed(session, "live", clock.now(), 10)] == ["c1"]


def test_a_run_that_has_lost_the_call_changes_nothing(runtime: Runtime, lease: Lease) -> None:
    taken = leases.claim(runtime.database, runtime.settings, "c1", "run-1")
    with pytest.raises(LeaseLost):
        postpone(runtime, lease, [Unavailable()])
    assert stored(runtime).lease_token == taken.token
