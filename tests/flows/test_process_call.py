"""A call that is taken up again, here or on another host: nothing that was paid for is paid again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from sqlalchemy.exc import OperationalError

from bench._house import CHECKLIST, TABLE, House
from checklists.findings import TableFindings
from core import clock
from core.errors import Cancelled, Unavailable
from core.settings import Settings
from db import calls, definitions, results
from db.models import Call
from flows.process_call import process_call
from tasks import runtime as runtimes
from tasks.extract import extract
from tasks.runtime import Runtime
from tasks.score import score
from tests.faults.speech import recording
from tests.flows.conftest import Scripted, Worker
from tests.peers.asr_peer import AsrPeer, words_every
from tests.peers.file_peer import FilePeer, serve

pytestmark = pytest.mark.slow  # a server starts in ten seconds
SOUND = recording()
CHANNELS = 2


@pytest.fixture
def asr() -> Iterator[AsrPeer]:
    with AsrPeer([words_every(0.5)]) as peer:
        yield peer


@pytest.fixture
def shared(house: House, asr: AsrPeer, tmp_path: Path) -> Settings:
    """What all hosts are told."""
    told = {"asr_engine": "openai", "asr_url": asr.url, "storage_url": str(tmp_path / "shared"), "probe": "off"}
    return house.settings.model_copy(update=told)


def host(worker: Worker, shared: Settings, home: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker in a home of its own, with the same database and the same model."""
    runtime = Runtime(shared.model_copy(update={"home": home}))
    runtime.database = worker.runtime.database
    runtime._analysts["openai"] = worker.runtime._analysts["openai"]
    monkeypatch.setattr(runtimes, "_current", runtime)
    return Worker(runtime)


def test_a_rerun_on_another_host_hears_and_asks_for_nothing_again(
    house: House, worker: Worker, shared: Settings, asr: AsrPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = worker.runtime._analysts["openai"] = Scripted(worker.runtime, {TABLE: [Cancelled()]})
    with FilePeer({"/a.wav": serve(SOUND)}) as crm:
        house.accept("c1", audio_url=crm.url("/a.wav"))
        run = worker.run(process_call, call_id="c1")
        assert host(worker, shared, tmp_path / "one", monkeypatch).work(process_call, run).is_cancelled()
        assert host(worker, shared, tmp_path / "other", monkeypatch).work(process_call, run).is_completed()
        assert len(crm.requests) == 1
    assert len(asr.uploads) == CHANNELS
    assert engine.asked == {CHECKLIST: 1, TABLE: 2}
    with house.database.read() as session:
        assert calls.get(session, "c1").status == "done"


@pytest.mark.parametrize("down", [(CHECKLIST,), (TABLE,), (CHECKLIST, TABLE)], ids=["checklist", "table", "both"])
def test_what_may_pass_is_waited_out_and_nothing_is_judged_twice(
    house: House, worker: Worker, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, down: tuple[str, ...]
) -> None:
    for step in (score, extract):
        monkeypatch.setattr(step, "retries", 0)
    engine = worker.runtime._analysts["openai"] = Scripted(worker.runtime, {one: [Unavailable()] for one in down})
    here = host(worker, shared, tmp_path / "one", monkeypatch)
    with FilePeer({"/a.wav": serve(SOUND)}) as crm:
        house.accept("c1", audio_url=crm.url("/a.wav"))
        run = worker.run(process_call, call_id="c1")
        state = here.work(process_call, run)
        call = stored(house)
        assert (state.type, state.name, state.message) == (StateType.SCHEDULED, "Postponed", Unavailable().text("ru"))
        assert (call.status, call.reason_code, call.triggered_at) == ("queued", "unavailable", state.state_details.scheduled_time)
        assert here.work(process_call, run).is_completed()
        assert len(crm.requests) == 1
    assert engine.asked == {one: 1 + (one in down) for one in (CHECKLIST, TABLE)}
    assert (stored(house).status, stored(house).reason) == ("done", None)


def test_a_database_that_is_away_fails_no_call(
    house: House, worker: Worker, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the steps, which are repeated: the call keeps its lease, and the reconciler takes it up when that is over."""

    def refuse(*_: object) -> None:
        raise OperationalError("SELECT", {}, ConnectionResetError())

    worker.runtime._analysts["openai"] = Scripted(worker.runtime)
    here = host(worker, shared, tmp_path / "one", monkeypatch)
    with FilePeer({"/a.wav": serve(SOUND)}) as crm:
        house.accept("c1", audio_url=crm.url("/a.wav"))
        run = worker.run(process_call, call_id="c1")
        with monkeypatch.context() as patched:
            patched.setattr(definitions, "judging", refuse)
            assert here.work(process_call, run).is_failed()
        assert (stored(house).status, stored(house).reason_code) == ("analysing", None)
        assert here.work(process_call, run).is_completed()
    assert stored(house).status == "done"


def test_a_cancel_that_meets_an_outage_is_a_cancel(
    house: House, worker: Worker, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Scripted):
        def extract(self, *asked: Any) -> TableFindings:
            next(iter(here.runtime.leases.values())).stop(Cancelled())
            return super().extract(*asked)

    monkeypatch.setattr(extract, "retries", 0)
    worker.runtime._analysts["openai"] = Stopped(worker.runtime, {TABLE: [Unavailable()]})
    here = host(worker, shared, tmp_path / "one", monkeypatch)
    with FilePeer({"/a.wav": serve(SOUND)}) as crm:
        house.accept("c1", audio_url=crm.url("/a.wav"))
        assert here.work(process_call, worker.run(process_call, call_id="c1")).is_cancelled()
    assert (stored(house).status, stored(house).reason_code) == ("failed", "cancelled")


def test_a_run_in_a_process_of_its_own_waits_too(house: House, worker: Worker, shared: Settings) -> None:
    house.accept("c1", audio_url="http://127.0.0.1:9/a.wav")
    run = worker.run(process_call, call_id="c1")
    with house.database.begin() as session:  # it was postponed before, so it tries once
        token = calls.claim(session, "c1", str(run.id), clock.now(), 60).token
        calls.postpone(session, "c1", token, Unavailable(), clock.now(), clock.now())
    told = {"ROP_HOME": str(shared.home), "ROP_DATABASE_URL": house.database.url, "ROP_ALLOWED_NETWORKS": "127.0.0.1/32"}
    told |= {"PREFECT_API_URL": shared.prefect_api_url, "ROP_PREFECT_API_URL": shared.prefect_api_url}
    told |= {"PREFECT__FLOW_RUN_ID": str(run.id), "PREFECT__FLOW_ENTRYPOINT": "flows.process_call:process_call"}
    done = subprocess.run([sys.executable, "-m", "prefect.engine"], env=os.environ | told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run.id).state
    assert state is not None
    assert (state.type, state.name) == (StateType.SCHEDULED, "Postponed"), state.message
    assert (stored(house).status, stored(house).reason_code) == ("queued", "connect_failed")


def test_a_call_that_has_waited_long_enough_is_done_with_what_could_be_judged(
    house: House, worker: Worker, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, "retries", 0)
    worker.runtime._analysts["openai"] = Scripted(worker.runtime, {TABLE: [Unavailable()]})
    here = host(worker, shared.model_copy(update={"wait_out_seconds": 0.0}), tmp_path / "one", monkeypatch)
    with FilePeer({"/a.wav": serve(SOUND)}) as crm:
        house.accept("c1", audio_url=crm.url("/a.wav"))
        assert here.work(process_call, worker.run(process_call, call_id="c1")).is_completed()
    with house.database.read() as session:
        assert [row.status for row in results.current(session, "c1", "checklist")] == ["ok"]
        assert [row.status for row in results.current(session, "c1", "table")] == ["failed"]


def stored(house: House) -> Call:
    with house.database.read() as session:
        return calls.get(session, "c1")
