"""Accepting calls and answering polls, against the shortest FastAPI and SQLite application that could do it, in the same run.

The ingress runs with everything on: keys, exact rate limit, validation, timeline, logs, metrics, and a Prefect that takes every run.
`BENCH_MINUTES=5` lengthens the sustained run from a quarter of a minute.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import _load
from bench._load import Sample
from checklists.definitions import Table
from core import clock, ids
from core.secrets import server_secret
from core.settings import Settings
from db import definitions, keys, migrate
from db.engine import Database

MINUTES = float(os.environ.get("BENCH_MINUTES", "0.25"))
POST_ROUNDS, POSTS, POLL_ROUNDS, POLLS, CLIENTS, KEYS = 7, 300, 30, 20, 20, 50
PER_MINUTE = 60
UPLOAD, READY = "/api/v1/calls/audio-upload", "/api/v1/tables/call-ready?tab=TBL_1&call="
FIELDS = {"manager_id": "mgr_001", "deal_id": "deal_5678", "deal_stage_id": "stage_qualification"}
FIELDS |= {"audio_url": "https://crm.company.com/files/audio/call_12345.mp3"}


def main() -> None:
    """Rounds take turns, so that a busy machine slows both alike; medians of rounds."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        plain = _furnish(home)
        prefect = stack.enter_context(_server("bench._bare:app", home / "prefect.log", {}))
        environment = {"ROP_HOME": folder, "ROP_PROBE": "off", "ROP_RATE_LIMIT": "100000", "ROP_PREFECT_API_URL": f"{prefect}/api"}
        ours = stack.enter_context(_server("--factory", "api.app:from_environment", home / "api.log", environment))
        bare = stack.enter_context(_server("bench._bare:app", home / "bare.log", {"BARE_DATABASE": str(home / "bare.sqlite")}))
        # Polls first: after a burst the starts of its calls go on for a while.
        _show_polls(ours, bare, plain)
        _show_latency(f"{PER_MINUTE}/min for {MINUTES:g} min", _sustained(ours, plain))
        _show_latency("burst of 20 clients", _load.run(ours, _posts(plain, POSTS), CLIENTS))
        _show("posts/s of 20 clients", *_rates(ours, bare, plain))


def _rates(ours: str, bare: str, plain: list[str]) -> tuple[list[float], list[float]]:
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(POST_ROUNDS):
        rates[0].append(_rate(_load.run(ours, _posts(plain, POSTS), CLIENTS)))
        rates[1].append(_rate(_load.run(bare, _posts([""], POSTS), CLIENTS)))
    return rates


def _rate(samples: list[Sample]) -> float:
    if any(s.status != 200 for s in samples):
        raise RuntimeError(f"not all accepted: {sorted({s.status for s in samples})}")
    return len(samples) / (max(s.sent + s.seconds for s in samples) - min(s.sent for s in samples))


def _sustained(ours: str, plain: list[str]) -> list[Sample]:
    posts = list(_posts(plain, max(1, round(PER_MINUTE * MINUTES))))
    return _load.steady(ours, posts, 60 / PER_MINUTE)


def _show_polls(ours: str, bare: str, plain: list[str]) -> None:
    call_id = ids.token()
    for url, key in ((ours, plain[0]), (bare, "")):
        _load.run(url, [_load.form(UPLOAD, FIELDS | {"call_id": call_id}, key)], 1)
    medians: tuple[list[float], list[float]] = ([], [])
    for _ in range(POLL_ROUNDS):
        for place, (url, key) in enumerate(((ours, plain[1]), (bare, ""))):
            samples = _load.run(url, [_load.get(f"{READY}{call_id}", key)] * POLLS, 1)
            medians[place].append(1000 * statistics.median(s.seconds for s in samples))
    mine, rival = (statistics.median(m) for m in medians)
    ratio = statistics.median(a / b for a, b in zip(*medians, strict=True))
    print(f"{'call-ready median':28} {mine:8.2f} ms   bare lookup {rival:8.2f} ms   ratio {ratio:5.2f} (aim <= 3)")


def _show(name: str, mine: list[float], rival: list[float]) -> None:
    ratio = statistics.median(a / b for a, b in zip(mine, rival, strict=True))
    print(f"{name:28} {statistics.median(mine):8.0f}      bare {statistics.median(rival):8.0f}   ratio {ratio:5.2f} (aim >= 0.6)")


def _show_latency(name: str, samples: list[Sample]) -> None:
    _rate(samples)
    times = sorted(1000 * s.seconds for s in samples)
    print(
        f"{name:28} p50 {times[len(times) // 2]:7.1f} ms   p99 {times[int(len(times) * 0.99)]:7.1f} ms   {len(times)} posts, all accepted"
    )


def _posts(plain: list[str], count: int) -> Iterator[bytes]:
    """New calls, spread over the keys."""
    return (_load.form(UPLOAD, FIELDS | {"call_id": ids.token()}, plain[number % len(plain)]) for number in range(count))


def _furnish(home: Path) -> list[str]:
    """A table to poll for, and keys."""
    settings = Settings(home=home)
    database = Database(settings.db_url)
    migrate.upgrade(database)
    with database.begin() as session:
        table = Table.model_validate({"id": "TBL_1", "name": "Bench", "fields": [{"name": "city"}]})
        definitions.apply(session, table, "bench", clock.now())
        plain = [keys.create(session, server_secret(settings), "bench", clock.now()).plain for _ in range(KEYS)]
    database.dispose()
    return plain


@contextmanager
def _server(*arguments: str | Path | dict[str, str]) -> Iterator[str]:
    """One uvicorn process; its base URL."""
    *application, log, environment = arguments
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", *map(str, application), "--port", str(port), "--no-access-log"]
    with Path(str(log)).open("wb") as file:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=file, stderr=file)  # type: ignore[operator]
    try:
        _wait(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the server did not start")


if __name__ == "__main__":
    main()
