"""Keeps the processes of one machine alive: starts them, restarts what dies, stops them in reverse order.

Honcho would end everything when one process dies; ops need the opposite (docs/adr/0003).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from core import clock

RESTART_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
HEALTHY_SECONDS = 60.0  # a process that lived this long starts over with the shortest pause
LOG_BYTES = 50 * 1024 * 1024  # one old log file of this size is kept beside the present one
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass
class Service:
    """One process of the stack; `grace_seconds` after SIGTERM it is killed."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: float = 10.0
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float | None = None
    failures: int = 0


class Supervisor:
    """Runs services with their output in `logs/NAME.log`; `on_change` is told the pids after every start."""

    def __init__(self, logs: Path, on_change: Callable[[dict[str, int]], None]) -> None:
        self._logs = logs
        self._on_change = on_change
        self._services: list[Service] = []
        self._stopping = threading.Event()
        self._untold = False
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, service: Service) -> None:
        """Start a service and keep it alive from now on."""
        self._services.append(service)
        self._spawn(service)

    @property
    def pids(self) -> dict[str, int]:
        return {s.name: s.process.pid for s in self._services if s.process is not None}

    def tend(self) -> None:
        """Restart every service that died and whose pause is over. A full disk stops nothing: what fails now is tried again."""
        for service in self._services:
            if service.process is None or service.process.poll() is None:
                self._trim(service.name)
                continue
            if service.restart_at is None:
                self._schedule(service, service.process.returncode)
            elif clock.monotonic() >= service.restart_at:
                self._restart(service)
        if self._untold:
            self._tell()

    def run(self) -> None:
        """Tend until SIGTERM, SIGINT, or the end of the terminal."""
        on_end(lambda *_: self._stopping.set())
        while not self._stopping.wait(0.5):
            self.tend()

    def stop(self) -> None:
        """End all services, last started first, each within its grace."""
        for service in reversed(self._services):
            _end(service)

    def _spawn(self, service: Service) -> None:
        with (self._logs / f"{service.name}.log").open("ab") as output, _undisturbed():
            service.process = subprocess.Popen(  # noqa: S603  our own commands
                service.command,
                env=os.environ | dict(service.environment),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            service.started_at, service.restart_at = clock.monotonic(), None
            self._tell()

    def _restart(self, service: Service) -> None:
        try:
            self._spawn(service)
        except OSError as error:
            service.restart_at = clock.monotonic() + RESTART_SECONDS[-1]
            _say(f"{service.name} could not be started: {error.strerror}; next try in {RESTART_SECONDS[-1]:.0f} s")

    def _tell(self) -> None:
        try:
            self._on_change(self.pids)
        except OSError:
            self._untold = True
        else:
            self._untold = False

    def _schedule(self, service: Service, code: int) -> None:
        lived = clock.monotonic() - service.started_at
        service.failures = 0 if lived > HEALTHY_SECONDS else service.failures + 1
        pause = RESTART_SECONDS[min(service.failures, len(RESTART_SECONDS)) - 1] if service.failures else RESTART_SECONDS[0]
        service.restart_at = clock.monotonic() + pause
        _say(f"{service.name} ended with code {code}; restarting in {pause:.0f} s, see {self._logs / service.name}.log")

    def _trim(self, name: str) -> None:
        """Copy a large log aside and empty it: its process goes on appending to the same file."""
        log = self._logs / f"{name}.log"
        with suppress(OSError):
            if log.stat().st_size > LOG_BYTES:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)


def on_end(handle: Callable[[int, object], None]) -> None:
    """Handle SIGTERM, SIGINT and SIGHUP, unless the last is ignored on purpose, as by nohup: our children live in sessions of their own."""
    for number in ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off what would end us until the block is over: a process that has begun and is not noted yet would be left behind."""
    heard: list[int] = []
    handlers = {number: signal.getsignal(number) for number in ENDS}
    on_end(lambda number, _: heard.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for one in heard:
            signal.raise_signal(one)


def _say(text: str) -> None:
    # Standard error may be a file on the disk that is full.
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _end(service: Service) -> None:
    if service.process is None or service.process.poll() is not None:
        return
    service.process.terminate()
    try:
        service.process.wait(service.grace_seconds)
    except subprocess.TimeoutExpired:
        service.process.kill()
        service.process.wait()
