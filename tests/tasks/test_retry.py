"""Calls that failed or wait are tried again under their own runs, once, and nothing is lost on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from core import clock
from core.errors import BadAudio, Cancelled, NotFound, RopError, Unavailable, Unreachable
from core.settings import Settings
from db import calls, erasure
from db.calls import TooManyRuns
from db.engine import Database
from db.models import Call
from tasks.prefect_api import PrefectApi, PrefectUnavailable
from tasks.retry import choose, choose_since, resume
from tests.peers import prefect_server
from tests.tasks.test_recovery import LONG_AGO, House

pytestmark = pytest.mark.slow  # a server starts in ten seconds; a test takes half of one


@pytest.fixture
def house(prefect_url: str, settings: Settings, database: Database) -> Iterator[House]:
    one = House(settings.model_copy(update={"prefect_api_url": prefect_url, "pending_seconds": 0.5}), database)
    prefect_server.clear(one.settings)
    with closing(one.prefect):
        yield one


def failed(house: House, call_id: str, reason: RopError | None = None, *, state: str = "FAILED", priority: str = "live") -> Call:
    call = house.call(call_id, priority)
    house.finish(call, "failed", reason or Unavailable("storage_unavailable"))
    house.put(call, state)
    return house.stored(call_id)


def retried(house: House, *call_ids: str) -> Counter[str]:
    return dict(resume(house.database, house.prefect, house.settings, choose(house.database, call_ids).calls)).get(len(call_ids), Counter())


def test_only_what_may_have_passed_is_chosen(house: House) -> None:
    reasons = {"c1": Unavailable("storage_unavailable"), "c2": Unreachable("timeout"), "c3": BadAudio(), "c4": Cancelled()}
    for call_id, reason in reasons.items():
        failed(house, call_id, reason)
    house.call("done", started=False)
    house.change(failed(house, "expired").call_id, text_deleted_at=clock.now())
    house.change(failed(house, "old").call_id, received_at=clock.now() - 2 * LONG_AGO)
    since = clock.now() - LONG_AGO - timedelta(minutes=1)

    found = choose_since(house.database, since)
    assert ([one.call_id for one in found.calls], found.passed) == (["c1", "c2"], {"not_audio": 1, "cancelled": 1})
    named = choose_since(house.database, since, "not_audio")
    assert ([one.call_id for one in named.calls], named.passed.total()) == (["c3"], 3)
    assert choose_since(house.database, since, "cancelled").calls == [], "a person has stopped it"


def test_calls_that_are_named_are_chosen_whatever_the_reason(house: House) -> None:
    for call_id, reason in {"c1": BadAudio(), "c2": Cancelled()}.items():
        failed(house, call_id, reason)
    house.call("c3")
    found = choose(house.database, ["c2", "c3", "c1"])
    assert ({one.call_id for one in found.calls}, found.passed) == ({"c1", "c2"}, {"queued": 1})
    with pytest.raises(NotFound, match="c9"):
        choose(house.database, ["c1", "c9"])


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "CRASHED"])
def test_the_same_run_goes_on_and_is_asked_for_once(house: House, state: str) -> None:
    before = failed(house, "c1", state=state)
    assert retried(house, "c1") == {"went_on": 1}
    after = house.stored("c1")
    assert (after.status, after.flow_run_id, after.attempt, after.runs, after.reason) == ("queued", before.flow_run_id, 2, 0, None)
    assert [run["id"] for run in prefect_server.scheduled(house.settings, 9)] == [before.flow_run_id]
    assert choose(house.database, ["c1"]).calls == [], "it waits already"
    assert house.taken("c1", silent=False).status == "downloading"
    assert house.names("c1")[-2:] == ["retried", "started"]


@pytest.mark.parametrize(("priority", "status"), [("live", "queued"), ("bulk", "received")])
def test_a_call_whose_run_is_gone_gets_a_new_one(house: House, priority: str, status: str) -> None:
    before = failed(house, "c1", priority=priority)
    house.prefect.request("DELETE", f"/flow_runs/{before.flow_run_id}")
    assert retried(house, "c1") == {"began": 1}
    assert house.stored("c1").status == status, "a call of the past waits for room"
    house.sweep()
    after = house.stored("c1")
    assert after.flow_run_id != before.flow_run_id
    assert (after.status, house.state(after)) == ("queued", "SCHEDULED")


@pytest.mark.parametrize("state", ["SCHEDULED", "RUNNING"])
def test_what_somebody_has_retried_is_left_alone(house: House, state: str) -> None:
    call = failed(house, "c1", state=state)
    assert retried(house, "c1") == {"left": 1}
    assert (house.stored("c1").status, house.state(call)) == ("failed", state)


def test_the_runs_before_do_not_count(house: House) -> None:
    call = failed(house, "c1", TooManyRuns(runs=house.settings.max_attempts))
    house.change("c1", runs=house.settings.max_attempts)
    retried(house, "c1")
    house.change("c1", triggered_at=clock.now() - LONG_AGO)
    house.put(call, "CRASHED")
    assert (house.sweep().restarted, house.state(call), house.stored("c1").runs) == (1, "SCHEDULED", 1)


def test_what_prefect_did_not_hear_is_started_by_the_reconciler(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def unheard(*_: str) -> None:
        raise PrefectUnavailable

    call = failed(house, "c1")
    with monkeypatch.context() as patched:
        patched.setattr(house.prefect, "requeue", unheard)
        with pytest.raises(PrefectUnavailable):
            retried(house, "c1")
    house.change("c1", triggered_at=clock.now() - LONG_AGO)
    assert (house.sweep().restarted, house.state(call)) == (1, "SCHEDULED")


def test_a_call_that_waits_goes_on_at_once_and_has_not_waited_then(house: House) -> None:
    before = house.call("c1")
    token = house.taken("c1", silent=False).lease_token or ""
    with house.database.begin() as session:
        calls.postpone(session, "c1", token, Unreachable("timeout"), clock.now() + LONG_AGO, clock.now())
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": (clock.now() + LONG_AGO).isoformat()}}
    house.prefect.request("POST", f"/flow_runs/{before.flow_run_id}/set_state", {"state": later, "force": True})
    run = before.flow_run_id or ""
    assert house.prefect.runs([run])[run].due > clock.now()
    found = choose_since(house.database, before.received_at)
    assert [(one.call_id, one.code, one.transient) for one in found.calls] == [("c1", "timeout", True)]
    assert retried(house, "c1") == {"went_on": 1}
    assert house.prefect.runs([run])[run].due <= clock.now()
    assert choose(house.database, ["c1"]).calls == []
    after = house.taken("c1", silent=False)
    with house.database.read() as session:
        assert (after.attempt, after.runs, calls.postponements(session, after)) == (2, 1, [])


def test_a_wait_that_somebody_has_cancelled_is_left_to_end(house: House) -> None:
    call, token = house.call("c1"), house.taken("c1", silent=False).lease_token or ""
    with house.database.begin() as session:
        calls.postpone(session, "c1", token, Unreachable("timeout"), clock.now() + LONG_AGO, clock.now())
    house.put(call, "CANCELLED")
    assert retried(house, "c1") == {"left": 1}
    house.sweep()
    assert house.stored("c1").reason_code == "cancelled"


def test_without_prefect_nothing_changes(house: House) -> None:
    failed(house, "c1")
    away = PrefectApi(house.settings.model_copy(update={"prefect_api_url": "http://127.0.0.1:9/api"}))
    with closing(away), pytest.raises(PrefectUnavailable) as refused:
        list(resume(house.database, away, house.settings, choose(house.database, ["c1"]).calls))
    assert "Prefect не отвечает" in refused.value.text("ru")
    assert house.stored("c1").status == "failed"


def test_a_call_without_text_has_nothing_to_begin_with(house: House) -> None:
    failed(house, "c1")
    with house.database.begin() as session:
        erasure.erase_texts(session, ["c1"], clock.now())
        assert calls.get(session, "c1").audio_url == ""
    found = choose(house.database, ["c1"])
    assert (found.calls, found.passed) == ([], {"failed": 1})
