"""The supervisor: what dies comes back, what has to stop stops."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import clock
from rop.supervisor import RESTART_SECONDS, Service, Supervisor
from tests.peers.waiting import eventually

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
TALKER = [sys.executable, "-c", "import time\nwhile True: print('word', flush=True); time.sleep(0.01)"]
STUBBORN = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"]


@pytest.fixture
def seen() -> list[dict[str, int]]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, seen: list[dict[str, int]]) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "logs", seen.append)
    yield supervisor
    supervisor.stop()


def test_a_killed_service_comes_back_with_a_new_pid(supervisor: Supervisor, seen: list[dict[str, int]]) -> None:
    supervisor.start(Service("one", SLEEPER))
    first = supervisor.pids["one"]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: tended(supervisor).pids["one"] != first)
    assert [pids["one"] for pids in seen] == [first, supervisor.pids["one"]]


def test_a_full_disk_neither_ends_the_supervisor_nor_what_it_has_to_tell(tmp_path: Path) -> None:
    told: list[dict[str, int]] = []
    full = False

    def write(pids: dict[str, int]) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        told.append(pids)

    supervisor = Supervisor(tmp_path / "logs", write)
    supervisor.start(Service("one", SLEEPER))
    full = True
    os.kill(supervisor.pids["one"], signal.SIGKILL)
    eventually(lambda: tended(supervisor).pids["one"] != told[0]["one"])
    full = False
    eventually(lambda: tended(supervisor).pids == told[-1])
    supervisor.stop()


def test_a_log_that_cannot_be_written_delays_a_restart(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(Service("one", SLEEPER))
    log = tmp_path / "logs" / "one.log"
    log.unlink()
    log.mkdir()
    pid = supervisor.pids["one"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: (tended(supervisor)._services[0].restart_at or 0) > clock.monotonic() + RESTART_SECONDS[-1] / 2)
    log.rmdir()
    supervisor._services[0].restart_at = clock.monotonic()
    eventually(lambda: tended(supervisor).pids["one"] != pid)


def test_an_end_asked_for_amid_a_start_comes_after_it(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.Popen

    def begun(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        process = real(*arguments, **options)
        signal.raise_signal(signal.SIGTERM)
        return process

    monkeypatch.setattr("rop.supervisor.subprocess.Popen", begun)
    former = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with pytest.raises(SystemExit):
            supervisor.start(Service("one", SLEEPER))
    finally:
        signal.signal(signal.SIGTERM, former)
    assert supervisor.pids.keys() == {"one"}, "it would be left behind"


def test_output_goes_to_the_services_log(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(Service("one", SLEEPER))
    eventually(lambda: (tmp_path / "logs" / "one.log").read_text() == "up\n")


def test_a_log_that_grows_is_put_aside_while_its_service_goes_on(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.start(Service("one", TALKER))
    log, aside = tmp_path / "logs" / "one.log", tmp_path / "logs" / "one.log.1"
    eventually(lambda: log.stat().st_size > 100)
    monkeypatch.setattr("rop.supervisor.LOG_BYTES", 100)
    tended(supervisor)
    monkeypatch.setattr("rop.supervisor.LOG_BYTES", 10**9)
    assert aside.read_text().startswith("word\n")
    size = log.stat().st_size
    eventually(lambda: log.stat().st_size > size)
    assert log.read_text().startswith("word\n"), "no hole at the beginning"


def test_a_service_that_ignores_sigterm_is_killed_after_its_grace(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(Service("deaf", STUBBORN, grace_seconds=0.2))
    eventually(lambda: (tmp_path / "logs" / "deaf.log").read_text() == "up\n")
    pid = supervisor.pids["deaf"]
    supervisor.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def tended(supervisor: Supervisor) -> Supervisor:
    supervisor.tend()
    return supervisor
