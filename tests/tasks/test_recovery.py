"""Recovery against a real Prefect server: whatever became of a run, its call ends or goes on, once."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import time_machine
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import delete, update

from checklists import loader
from core import clock, ids
from core.errors import BadAudio, Cancelled, LeaseLost, RopError, Unavailable, Unreachable
from core.settings import Settings
from db import calls, definitions, directory
from db.engine import Database
from db.models import Call
from flows.process_call import process_call
from flows.resident import ResidentWorker
from tasks import lease as leases
from tasks import recovery
from tasks import runtime as runtimes
from tasks.dispatch import trigger
from tasks.prefect_api import PrefectApi, PrefectUnavailable, Run
from tasks.recovery import Recovery, Swept
from tasks.runtime import Runtime
from tests.peers import prefect_server
from tests.peers.file_peer import FilePeer, Request

pytestmark = pytest.mark.slow  # a server starts in ten seconds; a test takes half of one
LONG_AGO = timedelta(hours=1)


class House:
    """A database of calls and the server; every test begins without scheduled runs."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.runtime = Runtime(settings)
        self.runtime.database = database
        self.prefect = PrefectApi(settings)

    def call(self, call_id: str, priority: str = "live", at: datetime | None = None, *, started: bool = True) -> Call:
        new = calls.NewCall(call_id, "m", "d", "s", "http://crm/a.mp3", None, priority=priority)
        with self.database.begin() as session:
            calls.accept(session, new, at or clock.now() - LONG_AGO)
        if started:
            trigger(self.database, self.prefect, self.settings, call_id)
            self.change(call_id, triggered_at=clock.now() - LONG_AGO)
        return self.stored(call_id)

    def change(self, call_id: str, **values: Any) -> None:
        with self.database.begin() as session:
            session.execute(update(Call).where(Call.call_id == call_id).values(**values))

    def stored(self, call_id: str) -> Call:
        with self.database.read() as session:
            return calls.get(session, call_id)

    def names(self, call_id: str) -> list[str]:
        with self.database.read() as session:
            return [step.name for step in calls.timeline(session, call_id)]

    def taken(self, call_id: str, *, silent: bool) -> Call:
        """Claimed by its run, whose worker fell silent an hour ago or beats."""
        run = self.stored(call_id).flow_run_id or ""
        at = clock.now() - LONG_AGO if silent else clock.now()
        with self.database.begin() as session:
            calls.claim(session, call_id, run, at, self.settings.lease_seconds)
        return self.stored(call_id)

    def finish(self, call: Call, status: str, reason: RopError | None) -> None:
        """As its run does at the end."""
        token = self.taken(call.call_id, silent=False).lease_token or ""
        with self.database.begin() as session:
            calls.finish(session, call.call_id, token, status, clock.now(), reason)

    def put(self, call: Call, state: str) -> None:
        self.prefect.force(call.flow_run_id or "", state, "a test")

    def state(self, call: Call) -> str:
        return self.prefect.runs([call.flow_run_id or ""])[call.flow_run_id or ""].type

    def rescoring(self, state: str, pid: str | None) -> str:
        """The id of a run without a lease, in a worker's hands or in nobody's."""
        run = self.prefect.start("rescore-call/rescore", {"call_id": "c1"}, key=ids.token(), name="rescore", tags=[])
        self.prefect.request("PATCH", f"/flow_runs/{run}", {"infrastructure_pid": pid})
        self.prefect.force(run, state, "")
        return run

    def online(self, worker: str) -> None:
        """A worker of the pool that beats."""
        self.prefect.request("POST", f"/work_pools/{self.settings.work_pool}/workers/heartbeat", {"name": worker})

    def sweep(self) -> Swept:
        return Recovery(self.runtime, self.prefect).sweep()

    def later(self) -> Swept:
        """A sweep after as long as a run may take to begin, or to say that it has ended."""
        with time_machine.travel(clock.now() + timedelta(seconds=self.settings.pending_seconds), tick=True):
            return self.sweep()


@pytest.fixture
def house(prefect_url: str, settings: Settings, database: Database) -> Iterator[House]:
    one = House(settings.model_copy(update={"prefect_api_url": prefect_url, "pending_seconds": 2.0, "cancel_seconds": 0.2}), database)
    prefect_server.clear(one.settings)
    with closing(one.prefect):
        yield one


@pytest.fixture
def at_work(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process runs flows as a worker of the house."""
    monkeypatch.setattr(runtimes, "_current", house.runtime)
    with temporary_settings({PREFECT_API_URL: house.settings.prefect_api_url}):
        yield


def test_cancelled_before_it_began_ends_as_cancelled(house: House) -> None:
    call = house.call("c1")
    house.put(call, "CANCELLED")
    assert house.sweep().ended == 1
    after = house.stored("c1")
    assert (after.status, after.reason_code) == ("failed", "cancelled")
    assert house.sweep() == Swept()


@pytest.mark.parametrize(
    ("status", "reason", "state"), [("done", None, "COMPLETED"), ("failed", Cancelled(), "CANCELLED"), ("failed", BadAudio(), "FAILED")]
)
def test_the_run_of_a_call_that_has_ended_does_not_go_on_for_ever(house: House, status: str, reason: RopError | None, state: str) -> None:
    call = house.call("c1")
    house.put(call, "RUNNING")
    house.finish(call, status, reason)
    assert house.sweep() == Swept(), "its worker may be about to say so"
    assert house.later().ended == 1
    assert house.state(call) == state
    assert house.sweep() == Swept()


@pytest.mark.parametrize("state", ["CRASHED", "FAILED", "COMPLETED"])
def test_a_run_that_ended_without_its_call_is_started_again(house: House, state: str) -> None:
    call = house.call("c1")
    house.put(call, state)
    assert house.sweep().restarted == 1
    assert house.state(call) == "SCHEDULED"
    assert house.stored("c1").runs == 1
    assert house.names("c1")[-1] == "run_lost"
    assert house.sweep() == Swept(), "what waits its turn is left alone"


def test_a_run_that_was_given_back_in_good_order_is_not_counted(house: House) -> None:
    house.call("c1")
    call = house.taken("c1", silent=False)
    with house.database.begin() as session:
        calls.release(session, "c1", call.lease_token or "", clock.now())
    house.put(call, "RUNNING")  # the worker could not say so to Prefect
    assert [house.later().restarted, house.stored("c1").runs] == [1, 1]
    house.put(call, "CRASHED")
    assert [house.later().restarted, house.stored("c1").runs] == [1, 2], "the next loss is one"


def test_work_without_a_call_that_never_began_is_started_again(house: House) -> None:
    run = house.rescoring("PENDING", None)
    house.online("another")
    assert house.sweep() == Swept(), "it was made just now"
    assert house.later().restarted == 1
    assert house.prefect.runs([run])[run].type == "SCHEDULED"


def test_a_cancelled_wait_ends_at_once(house: House) -> None:
    for call_id in ("c1", "c2"):
        call, token = house.call(call_id), house.taken(call_id, silent=False).lease_token or ""
        with house.database.begin() as session:
            calls.postpone(session, call_id, token, Unreachable(), clock.now() + LONG_AGO, clock.now())
        house.prefect.requeue(call.flow_run_id or "", "a test")
    house.put(house.stored("c1"), "CANCELLED")
    assert house.sweep() == Swept(ended=1)
    assert (house.stored("c1").status, house.stored("c1").reason_code) == ("failed", "cancelled")
    assert house.stored("c2").status == "queued"


@pytest.mark.parametrize("pid", ["gone:boot", None])
def test_work_without_a_call_goes_on_when_its_worker_stays_silent(house: House, pid: str | None) -> None:
    run = house.rescoring("RUNNING", pid)
    house.online("another")
    assert [house.later(), house.sweep()] == [Swept(), Swept()], "it is given time"
    warned = house.prefect.runs([run])[run]
    assert (warned.type, warned.state) == ("RUNNING", "Silent")
    assert house.later().restarted == 1
    assert house.prefect.runs([run])[run].type == "SCHEDULED"


def test_work_without_a_call_is_left_to_a_worker_that_is_heard_later_than_another(house: House) -> None:
    house.rescoring("RUNNING", "alive:boot")
    assert house.later() == Swept(), "nobody is online: Prefect was away until now"
    house.online("another")
    assert house.later() == Swept()
    house.online("alive")
    assert house.later() == Swept()


@pytest.mark.parametrize("deleted", [False, True])
def test_an_old_run_of_a_call_that_has_a_new_one_ends(house: House, deleted: bool) -> None:
    old = house.call("c1")
    house.finish(old, "failed", BadAudio())
    new = house.call("c1")
    assert new.flow_run_id != old.flow_run_id
    if deleted:
        with house.database.begin() as session:
            session.execute(delete(Call))
    house.put(old, "RUNNING")  # somebody has retried it
    assert house.later().ended == 1
    assert [house.state(old), house.state(new)] == ["CANCELLED", "SCHEDULED"]


@pytest.mark.usefixtures("at_work")
def test_a_run_that_may_not_have_the_call_says_so(house: House) -> None:
    house.finish(house.call("c1"), "done", None)
    for call_id, reason in (("c1", "Звонок обрабатывает другая попытка."), ("deleted", "Звонок не найден.")):
        state = process_call(call_id, return_state=True)
        assert (state.type, state.message) == (StateType.CANCELLED, reason)
    assert house.stored("c1").status == "done"


@pytest.mark.usefixtures("at_work")
def test_a_run_whose_call_is_taken_while_it_works_says_so(house: House) -> None:
    house.call("c1")

    def take(_peer: FilePeer, connection: socket.socket, _request: Request) -> None:
        house.change("c1", flow_run_id="another", lease_token="another")
        _peer.listener.pause(1)
        connection.close()

    with FilePeer({"/a.ogg": take}) as crm:
        house.change("c1", audio_url=crm.url("/a.ogg"), flow_run_id=None)
        state = process_call("c1", return_state=True)
    assert (state.type, state.message) == (StateType.CANCELLED, LeaseLost().text("ru"))
    assert (house.stored("c1").lease_token, house.stored("c1").status) == ("another", "downloading")


def test_a_run_that_always_breaks_ends_with_a_reason(house: House) -> None:
    call = house.call("c1")
    for _ in range(house.settings.max_attempts):
        house.put(call, "CRASHED")
        assert house.sweep().restarted == 1
    house.put(call, "CRASHED")
    assert house.sweep().ended == 1
    after = house.stored("c1")
    assert (after.status, after.reason_code, house.state(call)) == ("failed", "too_many_runs", "FAILED")


def test_a_deleted_run_is_replaced_by_a_new_one(house: House) -> None:
    call = house.call("c1")
    house.prefect.request("DELETE", f"/flow_runs/{call.flow_run_id}")
    assert house.sweep().restarted == 1
    after = house.stored("c1")
    assert after.flow_run_id != call.flow_run_id
    assert (after.status, house.state(after)) == ("queued", "SCHEDULED")


def test_of_two_sweeps_at_once_one_gives_the_call_a_new_run(house: House) -> None:
    class Overtaken(Recovery):
        """Between its look at a call and its deed another sweep comes, and the new run takes the call."""

        def _is_adrift(self, call: Call) -> bool:
            found = super()._is_adrift(call)
            assert house.sweep().restarted == 1
            house.taken(call.call_id, silent=False)
            return found

    call = house.call("c1")
    house.prefect.request("DELETE", f"/flow_runs/{call.flow_run_id}")
    assert Overtaken(house.runtime, house.prefect).sweep() == Swept()
    after = house.stored("c1")
    assert (after.status, after.lease_token is not None, after.runs) == ("downloading", True, 2)
    assert after.flow_run_id != call.flow_run_id
    assert house.names("c1").count("run_lost") == 1


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_a_run_that_never_takes_its_call_is_scheduled_again(house: House, state: str) -> None:
    call = house.call("c1")
    house.put(call, state)
    assert house.sweep() == Swept(), "it may be about to begin"
    assert house.later().restarted == 1
    assert house.state(call) == "SCHEDULED"


def test_a_dead_worker_costs_one_restart(house: House) -> None:
    call = house.call("c1")
    house.put(call, "RUNNING")
    # Its last beat came after the run began, by the clock of the database.
    house.taken("c1", silent=False)
    house.change("c1", lease_until=clock.now() - timedelta(seconds=0.001))
    house.settings = house.runtime.settings = house.settings.model_copy(update={"lease_seconds": 0.001})
    assert house.sweep().restarted == 1
    assert house.sweep() == Swept()
    assert (house.state(call), house.stored("c1").runs) == ("SCHEDULED", 1)


def test_a_call_that_is_being_worked_on_is_left_alone(house: House) -> None:
    call = house.call("c1")
    house.taken("c1", silent=False)
    house.put(call, "CRASHED")
    assert house.sweep() == Swept()


def test_a_cancel_that_no_worker_hears_is_carried_out(house: House) -> None:
    call = house.call("c1")
    house.taken("c1", silent=True)
    house.prefect.request("PATCH", f"/flow_runs/{call.flow_run_id}", {"infrastructure_pid": "a worker that is gone"})
    house.put(call, "CANCELLING")
    time.sleep(0.3)
    done = house.sweep()
    assert (done.cancelled, done.ended) == (1, 1)
    assert (house.state(call), house.stored("c1").reason_code) == ("CANCELLED", "cancelled")


def test_a_run_that_prefect_will_not_change_does_not_stop_the_sweep(house: House) -> None:
    runs = [house.rescoring("CANCELLING", "gone:boot") for _ in range(3)]

    class Stubborn(PrefectApi):
        """A server that answers one request with an error of its own."""

        def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
            return httpx.Response(500) if path == f"/flow_runs/{runs[0]}/set_state" else super()._send(method, path, body)

    house.call("c1", started=False)
    time.sleep(house.settings.cancel_seconds)
    with closing(Stubborn(house.settings)) as prefect:
        assert Recovery(house.runtime, prefect).sweep() == Swept(started=1, cancelled=2)
    assert {run.type for run in house.prefect.runs(runs[1:]).values()} == {"CANCELLED"}


def test_live_calls_start_before_a_back_fill_and_the_back_fill_waits_here(house: House) -> None:
    house.settings = house.runtime.settings = house.settings.model_copy(update={"bulk_ahead": 2})
    for number in range(4):
        house.call(f"bulk {number}", "bulk", clock.now() - LONG_AGO * 2, started=False)
    for number in range(2):
        house.call(f"live {number}", "live", clock.now() - LONG_AGO + timedelta(seconds=number), started=False)
    assert house.sweep().started == 4
    assert [run["name"] for run in prefect_server.scheduled(house.settings, 3)] == ["live 0", "live 1", "bulk 0"]
    assert house.sweep() == Swept(), "two wait in Prefect already"
    assert [house.stored(f"bulk {n}").status for n in range(4)] == ["queued", "queued", "received", "received"]


def test_a_live_call_overtakes_a_back_fill_that_waits(house: House) -> None:
    house.call("bulk", "bulk")
    house.call("live")
    assert [run["name"] for run in prefect_server.scheduled(house.settings, 1)] == ["live"]


def test_what_came_while_prefect_was_away_starts_in_order(house: House) -> None:
    for number in range(5):
        house.call(f"c{number}", at=clock.now() - LONG_AGO + timedelta(seconds=number), started=False)
    away = PrefectApi(house.settings.model_copy(update={"prefect_api_url": "http://127.0.0.1:9/api"}))
    with closing(away), pytest.raises(PrefectUnavailable):
        Recovery(house.runtime, away).sweep()
    # A busy SQLite server refuses a request now and then; then the sweep leaves the rest, in order, to the next one.
    assert sum(house.sweep().started for _ in range(5)) == 5
    assert [run["name"] for run in prefect_server.scheduled(house.settings, 9)] == [f"c{n}" for n in range(5)]


def test_runs_say_who_and_where(house: House) -> None:
    checklist = loader.builtin()[0]
    with house.database.begin() as session:
        definitions.apply(session, checklist, "test", clock.now())
        directory.sync_offices(session, [directory.OfficeInput("o1", "Центр", [], ["m"])], clock.now(), full=False)
    call = house.call("c1")
    tags = house.prefect.request("GET", f"/flow_runs/{call.flow_run_id}")["tags"]
    assert set(tags) == {"call:c1", "manager:m", "deal-stage:s", "office:o1", f"checklist:{checklist.id}"}


def test_old_housekeeping_is_forgotten(house: House) -> None:
    run = house.prefect.start("process-call/calls", {}, key="k", name="x", tags=["house"])
    house.prefect.force(run, "COMPLETED", "")
    assert house.prefect.delete_completed("house", 3600, 100) == 0
    time.sleep(0.1)
    assert house.prefect.delete_completed("house", 0.01, 100) == 1


def test_the_worker_tells_a_run_without_a_call_and_then_ends_it(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROP_HOME", str(tmp_path / "worker"))
    call = house.call("c1")
    house.prefect.request("PATCH", f"/flow_runs/{call.flow_run_id}", {"infrastructure_pid": "this worker"})
    house.put(call, "CANCELLING")
    with temporary_settings({PREFECT_API_URL: house.settings.prefect_api_url}):
        asyncio.run(_cancel_twice(house, call))


def test_a_worker_does_not_take_up_again_what_has_failed(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROP_HOME", str(tmp_path / "worker"))
    ends = {"c1": ("failed", Cancelled(), "CANCELLED"), "c2": ("failed", BadAudio(), "FAILED"), "c3": ("done", None, "SCHEDULED")}
    for call_id, (status, reason, _) in ends.items():
        call = house.call(call_id)
        house.put(call, "RUNNING")
        house.finish(call, status, reason)
    with temporary_settings({PREFECT_API_URL: house.settings.prefect_api_url}):
        asyncio.run(_resume(house, list(ends)))
    assert {call_id: house.state(house.stored(call_id)) for call_id in ends} == {call_id: state for call_id, (_, _, state) in ends.items()}


def test_a_worker_takes_up_what_it_should_be_at_and_leaves_what_was_asked_for(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROP_HOME", str(tmp_path / "worker"))
    monkeypatch.setenv("ROP_PENDING_SECONDS", str(house.settings.pending_seconds))
    states = {"lost": "RUNNING", "stopping": "CANCELLING", "retried": "SCHEDULED", "at work": "RUNNING"}
    runs = {name: house.prefect.start("rescore-call/rescore", {}, key=name, name=name, tags=[]) for name in states}
    with temporary_settings({PREFECT_API_URL: house.settings.prefect_api_url}):
        lost = asyncio.run(_lose(house, runs, states))
    assert lost == {"lost"}
    assert house.prefect.runs([runs["lost"]])[runs["lost"]].type == "SCHEDULED"
    assert house.prefect.runs([runs["stopping"]])[runs["stopping"]].type == "CANCELLING"


def test_a_worker_leaves_a_run_to_the_one_that_has_just_taken_it(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run still bears the mark of its former worker, who starts anew: Prefect hears of the new one late, or never."""
    monkeypatch.setenv("ROP_HOME", str(tmp_path / "worker"))
    monkeypatch.setenv("ROP_PENDING_SECONDS", "0")
    call = house.call("c1")
    with temporary_settings({PREFECT_API_URL: house.settings.prefect_api_url}):
        assert asyncio.run(_seem(house, call, taken_after=False)) == (True, False), "what an earlier boot was at is lost"
        assert asyncio.run(_seem(house, call, taken_after=True)) == (True, True)


async def _seem(house: House, call: Call, *, taken_after: bool) -> tuple[bool, bool]:
    """Whether the run of the call seems lost to a worker that starts, and whether somebody is at the call."""
    if not taken_after:
        house.put(call, "RUNNING")
    async with ResidentWorker(house.settings.work_pool) as worker:
        worker.runtime.database = house.database
        house.prefect.request("PATCH", f"/flow_runs/{call.flow_run_id}", {"infrastructure_pid": f"{worker.name}:earlier"})
        if taken_after:
            house.put(call, "RUNNING")
        leases.claim(house.database, house.settings, call.call_id, call.flow_run_id or "")
        [run] = await worker._runs({"id": {"any_": [call.flow_run_id]}})
        await asyncio.sleep(0.01)
        return worker._seems_lost(run), worker._is_held(run)


async def _lose(house: House, runs: dict[str, str], states: dict[str, str]) -> set[str]:
    async with ResidentWorker(house.settings.work_pool) as worker:
        worker.runtime.database = house.database
        worker.running[UUID(runs["at work"])] = ""
        for name, run in runs.items():
            house.prefect.request("PATCH", f"/flow_runs/{run}", {"infrastructure_pid": f"{worker.name}:{worker.boot}"})
            house.prefect.force(run, states[name], "")
        live = {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
        assert not [run for run in await worker._runs(live) if worker._seems_lost(run)], "its end may be on its way to Prefect"
        await asyncio.sleep(house.settings.pending_seconds)
        lost = {run.name for run in await worker._runs(live) if worker._seems_lost(run)}
        for name in ("lost", "stopping"):
            await worker._resume(UUID(runs[name]), "", "a test")
        return lost


def test_a_worker_lets_a_run_wait_for_as_long_as_its_call_does(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was killed after the call was postponed, and before Prefect heard of it."""
    monkeypatch.setenv("ROP_HOME", str(tmp_path / "worker"))
    call = house.call("c1")
    house.put(call, "RUNNING")
    due, lease = clock.now() + timedelta(hours=1), leases.claim(house.database, house.settings, "c1", call.flow_run_id or "")
    with house.database.begin() as session:
        calls.postpone(session, "c1", lease.token, Unavailable(), due, clock.now())
    with temporary_settings({PREFECT_API_URL: house.settings.prefect_api_url}):
        asyncio.run(_resume(house, ["c1"]))
    [run] = house.prefect.runs([call.flow_run_id or ""]).values()
    assert (run.type, run.state, run.due) == ("SCHEDULED", "Postponed", due)


async def _resume(house: House, call_ids: list[str]) -> None:
    async with ResidentWorker(house.settings.work_pool) as worker:
        worker.runtime.database = house.database
        for call_id in call_ids:
            await worker._resume(UUID(house.stored(call_id).flow_run_id), call_id, "a test")


async def _cancel_twice(house: House, call: Call) -> None:
    run = UUID(call.flow_run_id)
    async with ResidentWorker(house.settings.work_pool) as worker:
        worker.running[run] = ""
        await worker._cancel(run)
        with pytest.raises(Cancelled):
            worker.runtime.check_cancelled(str(run))
        assert house.state(call) == "CANCELLING", "it may still end by itself, with its own last word"
        await worker._cancel(run)
        assert house.state(call) == "CANCELLED"


AT = datetime(2026, 1, 1, tzinfo=UTC)


def run(type: str, since: float, pool: str | None = "calls", queue: str | None = "live") -> Run:
    moment = AT - timedelta(seconds=since)
    return Run("r", moment, type, moment, moment, pool, queue)


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        (None, "renew"),
        (run("CANCELLED", 1), "cancel"),
        (run("SCHEDULED", 9999), "wait"),
        (run("SCHEDULED", 9999, None, None), "renew"),
        (run("SCHEDULED", 60, None, None), "wait"),
        (run("RUNNING", 30), "wait"),
        (run("RUNNING", 61), "requeue"),
        (run("RUNNING", 101), "requeue"),
        (run("PENDING", 59), "wait"),
    ],
)
def test_the_verdict(known: Run | None, wanted: str) -> None:
    assert recovery.verdict(known, AT - timedelta(seconds=100), AT, Settings()) == wanted
