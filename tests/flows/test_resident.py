"""The worker as a process: what it does when Prefect goes away, and what its health endpoint says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse

from core import clock
from core.settings import Settings
from flows.resident import SOUND_SECONDS, ResidentWorker, in_turn, leaving_room
from rop import ports
from rop.stack import prepare_database
from tasks.postpone import STATE as POSTPONED
from tasks.prefect_api import PrefectApi
from tests.peers import prefect_server
from tests.peers.waiting import eventually

pytestmark = pytest.mark.slow
# In such haste Prefect's own worker is called unhealthy after three seconds without an answer, and gives up soon after.
HASTE = {"PREFECT_WORKER_QUERY_SECONDS": "0.1", "PREFECT_CLIENT_MAX_RETRIES": "0"}
AWAY_SECONDS = 6


def test_a_worker_waits_for_its_schema_and_for_a_prefect_that_is_away_and_stays_sound(settings: Settings, tmp_path: Path) -> None:
    health = f"http://127.0.0.1:{(port := ports.choose(0, '--port'))}/health"
    with ExitStack() as there:
        told = settings.model_copy(update={"prefect_api_url": there.enter_context(prefect_server.running(tmp_path))})
        prefect_server.deploy(told)
        with _worker(told, port, tmp_path / "worker.log") as worker:
            there.close()
            time.sleep(AWAY_SECONDS)
            assert worker.poll() is None, (tmp_path / "worker.log").read_text()
            assert httpx.get(health, trust_env=False).status_code == 200
        assert worker.returncode == 0


def test_a_worker_that_is_stopped_while_it_waits_for_its_schema_ends(settings: Settings, prefect_url: str, tmp_path: Path) -> None:
    told = settings.model_copy(update={"prefect_api_url": prefect_url})
    with _started(told, ports.choose(0, "--port"), tmp_path / "worker.log") as worker:
        pass
    assert worker.returncode == 0, (tmp_path / "worker.log").read_text()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROP_HOME", str(tmp_path))
    return tmp_path


def test_workers_of_one_home_have_names_of_their_own_and_a_restart_finds_its_own(home: Path) -> None:
    first, second, other = ResidentWorker("calls"), ResidentWorker("calls"), ResidentWorker("house")
    assert [one.name.rpartition("-")[2] for one in (first, second, other)] == ["1", "2", "1"]
    second._slot.close()  # as the end of its process does
    assert ResidentWorker("calls").name == second.name
    first._slot.close()
    other._slot.close()


def test_a_worker_that_loads_its_model_is_sound_and_one_that_stands_still_is_not(home: Path) -> None:
    worker = ResidentWorker("calls")
    assert worker.is_worker_still_polling(1)
    worker._looked_at = clock.monotonic() - SOUND_SECONDS - 1
    assert not worker.is_worker_still_polling(1)


def test_what_waits_for_an_outage_lets_new_runs_go_first_and_comes_when_it_is_due() -> None:
    at = clock.now()
    live, bulk = uuid4(), uuid4()
    found = [
        _found("long overdue", live, at - timedelta(hours=1), POSTPONED),
        _found("overdue", live, at - timedelta(minutes=1), POSTPONED),
        _found("new", live, at - timedelta(minutes=1), "Scheduled"),
        _found("given back", live, at, "AwaitingRetry"),
        _found("not due", live, at + timedelta(seconds=9), POSTPONED),
        _found("soon", live, at + timedelta(seconds=9), "Scheduled"),
        _found("old", bulk, at - timedelta(days=1), "Scheduled"),
    ]
    assert [one.flow_run.name for one in in_turn(found, at)] == ["long overdue", "new", "given back", "soon", "overdue", "old"]


def test_a_back_fill_leaves_the_last_place_to_live_calls() -> None:
    live, bulk = uuid4(), uuid4()
    at = clock.now()
    past = [_found(f"past {number}", bulk, at, "Scheduled") for number in range(5)]
    new = _found("new", live, at, "Scheduled")

    def taken(found: list[WorkerFlowRunResponse], queue: UUID | None, places: int) -> list[str]:
        return [one.flow_run.name for one in leaving_room(found, queue, places)][:places]

    assert taken(past, bulk, 4) == ["past 0", "past 1", "past 2"]
    assert taken(past, bulk, 1) == []
    assert taken([new, *past], bulk, 4) == ["new", "past 0", "past 1"]
    assert taken([new, *past], bulk, 1) == ["new"]
    assert taken(past, None, 4) == ["past 0", "past 1", "past 2", "past 3"]


def _found(name: str, queue: UUID, due: datetime, state: str) -> WorkerFlowRunResponse:
    run = FlowRun(name=name, flow_id=uuid4(), state_name=state, next_scheduled_start_time=due)
    return WorkerFlowRunResponse(work_pool_id=uuid4(), work_queue_id=queue, flow_run=run)


@contextmanager
def _worker(settings: Settings, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that is online; it was started before the database was there."""
    with _started(settings, port, log) as worker:
        prepare_database(settings)
        with closing(PrefectApi(settings)) as prefect:
            eventually(lambda: prefect.workers(settings.house_pool), 60, log.read_text)
        yield worker


@contextmanager
def _started(settings: Settings, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that waits for its database, and is asked to stop at the end."""
    told = {"PREFECT_API_URL": settings.prefect_api_url, "PREFECT_WORKER_WEBSERVER_PORT": str(port), "ROP_HOME": str(settings.root)}
    command = [
        sys.executable,
        "-m",
        "prefect",
        "worker",
        "start",
        "--pool",
        settings.house_pool,
        "--type",
        "resident",
        "--with-healthcheck",
    ]
    with log.open("wb") as output:
        worker = subprocess.Popen(command, env=os.environ | HASTE | told, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        eventually(lambda: "Waiting for the database" in log.read_text(), 60, log.read_text)
        yield worker
    finally:
        worker.terminate()
        worker.wait(30)
