"""Seconds to recover from a kill -9 of each process, on SQLite with one worker and on the fleet.

For the API: until it accepts a call again. For the rest: how much later than undisturbed a call is done that was being recognised
when the process was killed. On the fleet one more case: a host that is gone and does not come back, whose calls wait for their lease.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

from bench._site import KINDS, OPEN, Site, site, slow

HEARING_SECONDS = 3.0
ROUNDS = 3
NAMES = {"SQLite": ("worker", "prefect"), "PostgreSQL and Redis": ("worker-1", "prefect-1", "prefect-services", "redis")}


def main() -> None:
    print(f"median and highest of {ROUNDS}; load of the machine {os.getloadavg()[0]:.1f}")
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder, site(kind, Path(folder) / "home", slow(HEARING_SECONDS)) as running:
            usual = sorted(_call(running, f"usual-{number}") for number in range(ROUNDS + 1))[ROUNDS // 2]
            print(f"{kind}: an undisturbed call {usual:.1f} s")
            _tell(kind, "api", [_ingress(running, number) for number in range(ROUNDS)])
            for name in NAMES[kind]:
                _tell(kind, name, [_call(running, f"{name}-{number}", name) - usual for number in range(ROUNDS)])
            if kind != "SQLite":
                _tell(kind, f"host gone, lease {OPEN['ROP_LEASE_SECONDS']} s", [_host_gone(running) - usual])


def _tell(kind: str, name: str, seconds: list[float]) -> None:
    found = sorted(seconds)
    print(f"{kind}, kill -9 of {name}: {found[len(found) // 2]:.1f} s, at most {found[-1]:.1f} s", flush=True)


def _ingress(running: Site, number: int) -> float:
    """Seconds from the kill to the next accepted call."""
    pids = running.stack["pids"]
    os.kill(pids["api" if "api" in pids else "api-1"], signal.SIGKILL)
    started = time.monotonic()
    while not running.post(f"ingress-{number}"):
        time.sleep(0.05)
    seconds = time.monotonic() - started
    running.wait([f"ingress-{number}"])
    return seconds


def _call(running: Site, call_id: str, victim: str | None = None) -> float:
    """Seconds from post to done; the victim is killed while the call is being recognised."""
    started = time.monotonic()
    running.post(call_id)
    if victim:
        _until_heard(running, call_id)
        os.kill(running.stack["pids"][victim], signal.SIGKILL)
    running.wait([call_id])
    return time.monotonic() - started


def _host_gone(running: Site) -> float:
    """A worker that stops for ever in the middle of a call, while another one lives."""
    with running.worker("lost") as pid:
        first = running.stack["pids"]["worker-1"]
        os.kill(first, signal.SIGSTOP)
        started = time.monotonic()
        running.post("gone")
        _until_heard(running, "gone")
        os.kill(pid, signal.SIGSTOP)
        os.kill(first, signal.SIGCONT)
        running.wait(["gone"])
        seconds = time.monotonic() - started
        os.kill(pid, signal.SIGCONT)
    return seconds


def _until_heard(running: Site, call_id: str) -> None:
    while running.api.get(f"/calls/{call_id}").json().get("stage") != "transcribing":
        time.sleep(0.02)
    time.sleep(HEARING_SECONDS / 4)
