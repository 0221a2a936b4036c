"""Calls a second through the whole product with a recogniser that answers at once: SQLite against PostgreSQL and Redis, 1, 2, 4 workers.

What is left is the house's own work: ingress, Prefect, download, the embedded analyst, database. Prints calls a second and the CPU
seconds of a call by process.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from bench._site import KINDS, Site, cpu_seconds, site

CALLS = int(os.environ.get("BENCH_CALLS", "40"))
WORKERS = (1, 2, 4)
WARM = 4


def main() -> None:
    print(f"{CALLS} calls a point, {os.cpu_count()} cores, load of the machine {os.getloadavg()[0]:.1f}")
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as workers, site(kind, Path(folder) / "home") as running:
            more: dict[str, int] = {}
            for count in WORKERS:
                for number in range(len(more) + 2, count + 1):
                    more[f"worker-{number}"] = workers.enter_context(running.worker(f"worker-{number}", number - 1))
                _measure(kind, running, count, more)


def _measure(kind: str, running: Site, workers: int, more: dict[str, int]) -> None:
    warm = [f"warm-{workers}-{number}" for number in range(WARM * workers)]
    _through(running, warm)
    pids = {name: pid for name, pid in running.stack["pids"].items() if name != "rop"} | more
    before = cpu_seconds(pids)
    seconds = _through(running, [f"call-{workers}-{number}" for number in range(CALLS)])
    after = cpu_seconds(pids)
    spent: Counter[str] = Counter()
    for name in pids:
        spent[name.split("-")[0]] += after[name] - before[name]  # type: ignore[assignment]
    each = ", ".join(f"{name} {value / CALLS:.2f}" for name, value in spent.items())
    total = sum(spent.values()) / CALLS
    print(f"{kind}, {workers} workers: {CALLS / seconds:.2f} calls/s; {total:.2f} CPU s a call ({each}); load {os.getloadavg()[0]:.1f}")


def _through(running: Site, call_ids: list[str]) -> float:
    """Wall seconds from the first post to the last result."""
    started = time.monotonic()
    for number, call_id in enumerate(call_ids):
        if not running.post(call_id, number):
            raise RuntimeError(f"{call_id} was not accepted")
    running.wait(call_ids)
    return time.monotonic() - started
