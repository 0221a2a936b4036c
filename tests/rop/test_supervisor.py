"""The supervisor: what dies comes back, what has to stop stops."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rop.supervisor import Service, Supervisor

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
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
    until(lambda: tended(supervisor).pids["one"] != first)
    assert [pids["one"] for pids in seen] == [first, supervisor.pids["one"]]


def test_output_goes_to_the_services_log(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(Service("one", SLEEPER))
    until(lambda: (tmp_path / "logs" / "one.log").read_text() == "up\n")


def test_a_service_that_ignores_sigterm_is_killed_after_its_grace(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(Service("deaf", STUBBORN, grace_seconds=0.2))
    until(lambda: (tmp_path / "logs" / "deaf.log").read_text() == "up\n")
    pid = supervisor.pids["deaf"]
    supervisor.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def tended(supervisor: Supervisor) -> Supervisor:
    supervisor.tend()
    return supervisor


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
