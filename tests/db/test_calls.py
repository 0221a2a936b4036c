"""Calls: accepted once, fenced by their lease, ended once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from core import clock
from core.errors import BadAudio, LeaseLost, NotFound, RateLimited
from db import calls, recovery
from db.engine import Database
from db.models import Audit, Call, LoadOutbox

NOW = clock.now()


def new_call(call_id: str = "c1", **values: object) -> calls.NewCall:
    given = {"manager_id": "m", "deal_id": "d", "deal_stage_id": "s", "audio_url": "http://crm/a.mp3", "key_id": None}
    return calls.NewCall(call_id, **(given | values))  # type: ignore[arg-type]


def accept(database: Database, call_id: str = "c1", **values: object) -> Call:
    with database.begin() as session:
        return calls.accept(session, new_call(call_id, **values), NOW)


def claim(database: Database, run: str = "run-1", at: datetime = NOW, call_id: str = "c1") -> calls.Claim:
    with database.begin() as session:
        return calls.claim(session, call_id, run, at, 60)


def test_a_second_post_says_where_the_first_one_is(database: Database) -> None:
    accept(database)
    with pytest.raises(calls.CallExists) as known:
        accept(database)
    assert known.value.fields["status"] == "queued"
    assert known.value.fields["received_at"] == NOW.isoformat()


def test_of_many_simultaneous_posts_one_is_accepted(database: Database) -> None:
    def post(_: int) -> bool:
        try:
            accept(database)
        except calls.CallExists:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(post, range(20))) == 1


def test_a_failed_call_is_accepted_as_a_new_attempt(database: Database) -> None:
    accept(database)
    token = claim(database).token
    with database.begin() as session:
        calls.finish(session, "c1", token, "failed", NOW, BadAudio())
    again = accept(database, audio_url="http://crm/b.mp3")
    assert (again.attempt, again.status, again.reason, again.audio_url) == (2, "received", None, "http://crm/b.mp3")


def test_a_newer_claim_of_the_same_run_fences_the_older_one(database: Database) -> None:
    accept(database)
    old, new = claim(database), claim(database)
    with database.begin() as session, pytest.raises(LeaseLost):
        calls.beat(session, "c1", old.token, NOW)
    with database.begin() as session:
        calls.beat(session, "c1", new.token, NOW + timedelta(minutes=1), status="transcribing", progress=0.5)
    with database.begin() as session, pytest.raises(LeaseLost):
        calls.finish(session, "c1", old.token, "done", NOW)


def test_another_run_takes_a_call_only_after_its_lease(database: Database) -> None:
    accept(database)
    claim(database, "run-1")
    with pytest.raises(LeaseLost):
        claim(database, "run-2")
    assert claim(database, "run-2", at=NOW + timedelta(minutes=2)).call.flow_run_id == "run-2"


def test_a_finished_call_is_not_run_again(database: Database) -> None:
    accept(database)
    token = claim(database).token
    with database.begin() as session:
        calls.finish(session, "c1", token, "done", NOW)
    assert claim(database).finished
    with pytest.raises(LeaseLost):
        claim(database, "run-2", at=NOW + timedelta(hours=1))


def test_every_claim_counts_as_a_run_until_a_failure_is_rerun(database: Database) -> None:
    accept(database)
    assert [claim(database).call.runs for _ in range(3)] == [1, 2, 3]
    token = claim(database).token
    with database.begin() as session:
        calls.finish(session, "c1", token, "failed", NOW, calls.TooManyRuns(runs=4))
    assert claim(database).call.runs == 1


def test_a_run_that_was_given_back_in_good_order_is_no_broken_one(database: Database) -> None:
    accept(database)
    for _ in range(3):
        token = claim(database).token
        with database.begin() as session:
            calls.release(session, "c1", token, NOW)
    call = claim(database).call
    with database.begin() as session:
        assert (call.runs, calls.broken_runs(session, call)) == (4, 1)
        calls.finish(session, "c1", call.lease_token or "", "failed", NOW, calls.TooManyRuns(runs=4))
    call = claim(database).call
    with database.read() as session:
        assert (call.runs, calls.broken_runs(session, call)) == (1, 1), "a rerun begins with a clean slate"


def test_a_call_given_back_before_its_run_was_noted_is_still_found(database: Database) -> None:
    accept(database)
    token = claim(database).token
    with database.begin() as session:
        calls.release(session, "c1", token, NOW)
    with database.read() as session:
        assert [call.call_id for call in recovery.unclaimed(session, "live", NOW, 10)] == ["c1"]


def test_new_calls_that_are_stuck_do_not_hide_behind_those_that_waited(database: Database) -> None:
    due = NOW + timedelta(minutes=1)
    for call_id in ("waited 1", "waited 2", "new"):
        accept(database, call_id=call_id)
    for call_id in ("waited 1", "waited 2"):
        token = claim(database, call_id=call_id).token
        with database.begin() as session:
            calls.postpone(session, call_id, token, RateLimited(), due, NOW)
    with database.begin() as session:
        calls.mark_triggered(session, "new", 1, "run-3", NOW)
        assert [call.call_id for call in recovery.unclaimed(session, "live", due, 1)] == ["new", "waited 1"]


def test_a_run_is_forgotten_only_while_the_call_is_what_was_seen(database: Database) -> None:
    accept(database)
    seen = claim(database).call
    again = claim(database)
    with database.begin() as session:
        assert not calls.unlink_run(session, seen), "its run has taken it once more"
        calls.beat(session, "c1", again.token, NOW + timedelta(minutes=1))
        assert calls.unlink_run(session, again.call)
        assert not calls.unlink_run(session, again.call), "it has no run any more"
        freed = calls.get(session, "c1")
        assert (freed.status, freed.flow_run_id, freed.lease_token, freed.runs) == ("received", None, None, 2)


def test_untriggered_and_abandoned_calls_are_found(database: Database) -> None:
    accept(database)
    later = NOW + timedelta(minutes=5)
    with database.read() as session:
        assert [c.call_id for c in calls.untriggered(session, later, 10)] == ["c1"]
    with database.begin() as session:
        calls.mark_triggered(session, "c1", 1, "run-1", NOW)
    claim(database)
    with database.read() as session:
        assert calls.untriggered(session, later, 10) == []
        assert calls.abandoned(session, NOW, 10) == []
        assert [c.call_id for c in calls.abandoned(session, later, 10)] == ["c1"]


def test_the_timeline_tells_the_story_in_order(database: Database) -> None:
    accept(database)
    with database.begin() as session:
        calls.mark_triggered(session, "c1", 1, "run-1", NOW)
    token = claim(database).token
    with database.begin() as session:
        calls.finish(session, "c1", token, "no_speech", NOW)
    with database.read() as session:
        assert [e.name for e in calls.timeline(session, "c1")] == ["accepted", "queued", "started", "no_speech"]


def test_a_forgotten_call_leaves_an_audit_line_and_a_removal(database: Database) -> None:
    accept(database)
    with database.begin() as session:
        calls.forget(session, "c1", NOW, "admin")
    with database.read() as session:
        with pytest.raises(NotFound):
            calls.get(session, "c1")
        assert session.scalars(select(Audit.subject)).all() == ["c1"]
        assert session.scalars(select(LoadOutbox.call_id)).all() == ["c1"]
