"""A lease: alive while the run is, lost when another run takes the call, stopped when a person cancels."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from core import clock
from core.errors import Cancelled, LeaseLost
from core.settings import Settings
from db import calls
from db.engine import Database
from db.models import Call
from tasks import lease as leases
from tests.peers.waiting import eventually


@pytest.fixture
def call(database: Database) -> str:
    new = calls.NewCall("c1", "m", "d", "s", "http://crm/a.mp3", None)
    with database.begin() as session:
        calls.accept(session, new, clock.now())
    return "c1"


def stored(database: Database) -> Call:
    with database.read() as session:
        return calls.get(session, "c1")


def test_progress_reaches_the_database_and_prolongs_the_lease(database: Database, settings: Settings, call: str) -> None:
    with leases.claim(database, settings, call, "run-1") as lease:
        lease.enter("transcribing")
        before = stored(database).lease_until
        lease.progress(0.5)
        eventually(lambda: stored(database).progress == 0.5)
        now = stored(database)
    assert (now.status, now.progress) == ("transcribing", 0.5)
    assert now.lease_until is not None
    assert before is not None
    assert now.lease_until > before


def test_a_run_that_lost_the_call_is_told_to_stop(database: Database, settings: Settings, call: str) -> None:
    with leases.claim(database, settings, call, "run-1") as lease:
        with database.begin() as session:
            calls.claim(session, call, "run-1", clock.now(), 60)
        eventually(lambda: lease.stop_reason)
        with pytest.raises(LeaseLost):
            lease.check()


def test_cancelling_raises_at_the_next_check(database: Database, settings: Settings, call: str) -> None:
    with leases.claim(database, settings, call, "run-1") as lease:
        lease.stop(Cancelled())
        with pytest.raises(Cancelled):
            lease.progress(0.1)


def test_a_call_given_back_is_free_at_once(database: Database, settings: Settings, call: str) -> None:
    with leases.claim(database, settings, call, "run-1") as lease:
        assert lease.give_back()
        with pytest.raises(LeaseLost):
            lease.check()
    assert stored(database).status == "queued"
    with database.begin() as session:
        assert calls.claim(session, call, "run-2", clock.now() + timedelta(seconds=1), 60).call.runs == 2


def test_a_run_that_was_ended_from_outside_leaves_without_a_word(database: Database, settings: Settings, call: str) -> None:
    lease = leases.claim(database, settings, call, "run-1")
    lease.stop(Cancelled())
    lease.abandon()
    with pytest.raises(LeaseLost):
        lease.check()


def test_a_call_that_has_ended_is_never_given_back(database: Database, settings: Settings, call: str) -> None:
    lease = leases.claim(database, settings, call, "run-1")
    with database.begin() as session:
        calls.finish(session, call, lease.token, "done", clock.now())
    assert lease.give_back(), "its run is still this worker's"
    assert stored(database).status == "done"


def test_a_call_that_another_try_has_taken_is_not_given_back(database: Database, settings: Settings, call: str) -> None:
    lease = leases.claim(database, settings, call, "run-1")
    newer = leases.claim(database, settings, call, "run-1")
    assert not lease.give_back()
    assert newer.give_back()


def test_a_step_over_its_time_is_stopped_and_the_next_try_has_its_own(database: Database, settings: Settings, call: str) -> None:
    with leases.claim(database, settings, call, "run-1") as lease:
        lease.enter("transcribing", 60)
        lease.check()
        lease.enter("transcribing", 0.001)
        time.sleep(0.01)
        with pytest.raises(leases.TimedOut, match="transcribing"):
            lease.progress(0.5)
        lease.enter("transcribing", 60)
        lease.progress(0.1)
