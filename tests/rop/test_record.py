"""The record of a stack: whoever was killed, its services can be ended by it, and nobody else's processes are."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rop import record
from rop.cli import app
from rop.ports import PortTaken
from tests.peers.waiting import eventually

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
STACK = """
import os, sys
from pathlib import Path
from rop import record
from rop.supervisor import Service, Supervisor, on_end

on_end(lambda *_: sys.exit(0))
home, rop = Path(sys.argv[1]), os.getpid()
supervisor = Supervisor(home / "logs", lambda pids: record.note(home, pids | {"rop": rop}))
supervisor.start(Service("first", ["sleep", "60"]))
supervisor.start(Service("deaf", ["sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait"]))
try:
    print("up", flush=True)
    supervisor.run()
finally:
    supervisor.stop()
    record.forget(home)
"""


class Stack:
    """A `rop up` of two services; the second does not hear SIGTERM and has a child."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", STACK, str(home)], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        with self.process.stdout as output:
            assert output.readline() == b"up\n"
        self.pids = pids(home)
        self.child = int(eventually((home / "logs" / "deaf.log").read_text))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def services(self) -> list[bool]:
        """Which of the services and of their children live."""
        return [record._started(pid) is not None for pid in (self.pids["first"], self.pids["deaf"], self.child)]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setenv("ROP_WORKER_GRACE_SECONDS", "-9.5")  # half a second until SIGKILL
    made = Stack(tmp_path)
    yield made
    made.kill()
    record.end_remains(tmp_path, 0)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEPER)
    yield process
    process.kill()
    process.wait()


def test_down_ends_what_a_killed_up_left(stack: Stack, tmp_path: Path) -> None:
    stack.kill()
    assert stack.services() == [True, True, True]
    assert down(tmp_path) == "rop up уже не работает; остановлены его службы: deaf, first.\n"
    eventually(lambda: not any(stack.services()))
    assert down(tmp_path) == "Стек не запущен.\n"


def test_up_ends_what_a_killed_up_left(stack: Stack, tmp_path: Path) -> None:
    stack.kill()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        up = ["up", "--home", str(tmp_path), "--api-port", str(taken.getsockname()[1])]
        answer = CliRunner().invoke(app, up)
    assert isinstance(answer.exception, PortTaken), "it would start now"
    assert answer.stdout == "Остановлены службы прерванного rop up: deaf, first.\n"
    eventually(lambda: not any(stack.services()))


def test_a_stack_that_runs_is_asked_to_end(stack: Stack, tmp_path: Path) -> None:
    assert record.end_remains(tmp_path, 0) == []
    assert all(stack.services())
    os.kill(stack.child, 9)  # so that the deaf one need not be killed after its ten seconds
    assert down(tmp_path) == "Стек остановлен.\n"
    assert stack.services()[:2] == [False, False]


@pytest.mark.parametrize("name", ["rop", "worker"])
def test_another_process_with_the_same_number_is_left_alone(stranger: subprocess.Popen[bytes], tmp_path: Path, name: str) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    record.note(tmp_path, {"worker": stranger.pid, "rop": ended.pid} | {name: stranger.pid})
    written = json.loads((tmp_path / record.PROCESSES).read_text())
    written["started"] = {one: (ticks or 0) - 1 for one, ticks in written["started"].items()}
    (tmp_path / record.PROCESSES).write_text(json.dumps(written))
    assert down(tmp_path) == "Стек не запущен.\n"
    assert stranger.poll() is None


def test_a_stack_of_an_earlier_version_is_stopped_by_its_number(stranger: subprocess.Popen[bytes], tmp_path: Path) -> None:
    (tmp_path / record.FILE).write_text(json.dumps({"pids": {"rop": stranger.pid}}))
    waited = subprocess.Popen([sys.executable, "-m", "rop", "down", "--home", str(tmp_path)], stdout=subprocess.PIPE)
    assert stranger.wait(30) == -15
    assert waited.communicate(timeout=30)[0].decode() == "Стек остановлен.\n"


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real `rop up` that has begun to start its processes and is far from ready."""
    up = [sys.executable, "-m", "rop", "up", "--home", str(tmp_path), "--api-port", "0", "--prefect-port", "0"]
    process = subprocess.Popen(up, stdout=subprocess.DEVNULL)
    eventually(lambda: {"prefect", "api"} <= pids(tmp_path).keys())
    assert not (tmp_path / record.FILE).exists()
    yield process
    process.kill()
    process.wait()
    record.end_remains(tmp_path, 0)


def test_a_stack_that_is_starting_is_stopped(starting: subprocess.Popen[bytes], tmp_path: Path) -> None:
    services = pids(tmp_path)
    second = CliRunner().invoke(app, ["up", "--home", str(tmp_path), "--api-port", "0", "--prefect-port", "0"])
    assert isinstance(second.exception, record.AlreadyRuns)
    assert down(tmp_path) == "Стек остановлен.\n"
    assert starting.wait(30) == 0
    assert [record._started(pid) for pid in services.values()] == [None, None, None]
    assert pids(tmp_path) == {}


def test_down_ends_what_an_up_killed_at_its_start_left(starting: subprocess.Popen[bytes], tmp_path: Path) -> None:
    services = pids(tmp_path)
    starting.kill()
    starting.wait()
    assert down(tmp_path) == "rop up уже не работает; остановлены его службы: api, prefect.\n"
    assert [record._started(pid) for pid in services.values()] == [None, None, None]


def test_tools_outside_find_what_they_wait_for(tmp_path: Path) -> None:
    addresses = {"api_url": "http://a", "prefect_url": "http://p", "pages_url": "http://a/"}
    record.announce(tmp_path, addresses, {"api": 2, "rop": 1})
    assert json.loads((tmp_path / "stack.json").read_text()) == addresses | {"pids": {"api": 2, "rop": 1}}


def test_a_record_that_a_power_cut_emptied_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / record.PROCESSES).touch()
    assert down(tmp_path) == "Стек не запущен.\n"


def pids(home: Path) -> dict[str, int]:
    return record._read(home / record.PROCESSES).get("pids", {})


def down(home: Path) -> str:
    return CliRunner().invoke(app, ["down", "--home", str(home)], catch_exceptions=False).stdout
