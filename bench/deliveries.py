"""Deliveries a second through outbox, signature, guarded client and log, against posting the same bytes with bare httpx."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from sqlalchemy import insert

from bench._receiver import receiver
from core import clock
from core.http import Guarded
from core.settings import Settings
from db import deliveries, endpoints, migrate
from db.engine import Database
from db.models import Delivery
from tasks.webhooks import deliver_due

COUNT = 600
SERVER = (b"bench",)
ADDRESSES = 6
ROUNDS = 5
CLAIM = 16
BODY = b'{"call_id":"call_12345","stages":[' + b",".join([b'{"stage_id":"s","score":1,"quote":"' + b"x" * 200 + b'"}'] * 12) + b"]}"


def main() -> None:
    """Median of rounds that take turns, so that a busy machine slows both alike."""
    with TemporaryDirectory() as folder, receiver() as url:
        settings = Settings(home=Path(folder), allowed_networks="127.0.0.1/32", secret="bench")
        database = Database(settings.db_url)
        migrate.upgrade(database)
        rivals: dict[str, Callable[[], int]] = {
            "outbox": lambda: _outbox(database, settings, url),
            "httpx.post, one after another": lambda: _posts(url),
            "httpx.Client with keep-alive, one after another": lambda: _client(url),
            "httpx.Client with keep-alive, same threads": lambda: _threads(url, settings.webhook_threads),
        }
        rates: dict[str, list[float]] = {name: [] for name in rivals}
        for _ in range(ROUNDS):
            for name, run in rivals.items():
                if name == "outbox":
                    _fill(database, url)
                begun = time.perf_counter()
                rates[name].append(run() / (time.perf_counter() - begun))
        alone, beside = _claim_seconds(database), _claim_seconds(database, backlog=20_000)
        database.dispose()
    _show(rates)
    print(f"a claim of {CLAIM}: {1000 * alone:.1f} ms; beside 20 000 messages for a dead address: {1000 * beside:.1f} ms")


def _show(rates: dict[str, list[float]]) -> None:
    ours = statistics.median(rates["outbox"])
    for name, measured in rates.items():
        print(f"{name:50} {statistics.median(measured):8.0f}/s   ours/this {ours / statistics.median(measured):5.2f}")


def _claim_seconds(database: Database, backlog: int = 0) -> float:
    """Median time to claim, with that many messages due for an address that fails."""
    at, times = clock.now(), []
    with database.begin() as session:
        dead = endpoints.set_url(session, SERVER, "checklist", "dead", "http://127.0.0.1:1/", at)
        dead.failing_since = at
        row: dict[str, Any] = {"event": "x", "endpoint_id": dead.endpoint_id, "body": BODY, "status": "pending", "attempts": 0}
        row |= {"created_at": at, "next_attempt_at": at}
        if backlog:
            session.execute(insert(Delivery), [row | {"delivery_id": f"dead{number}"} for number in range(backlog)])
    _fill(database, "http://127.0.0.1:1")
    for turn in range(20):
        begun = time.perf_counter()
        with database.begin() as session:
            deliveries.claim_due(session, at + timedelta(hours=turn), CLAIM, 60.0)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def _fill(database: Database, url: str) -> None:
    at = clock.now()
    with database.begin() as session:
        for number in range(COUNT):
            owner = f"owner{number % ADDRESSES}"
            endpoint = endpoints.set_url(session, SERVER, "checklist", owner, f"{url}/{owner}", at)
            identity: dict[str, Any] = {"kind": "checklist", "definition_id": owner, "version": at.isoformat(), "revision": number}
            deliveries.enqueue(session, call_id=None, event="checklist.completed", endpoint=endpoint, body=BODY, at=at, **identity)


def _outbox(database: Database, settings: Settings, url: str) -> int:
    http = Guarded(settings)
    report = deliver_due(database, settings, http, limit=COUNT)
    if report.delivered != COUNT:
        raise RuntimeError(f"{url} took {report} of {COUNT}")
    return COUNT


def _posts(url: str) -> int:
    for _ in range(COUNT // 10):
        httpx.post(url, content=BODY).raise_for_status()
    return COUNT // 10


def _client(url: str) -> int:
    with httpx.Client() as client:
        for _ in range(COUNT):
            client.post(url, content=BODY).raise_for_status()
    return COUNT


def _threads(url: str, threads: int) -> int:
    with httpx.Client() as client, ThreadPoolExecutor(threads) as pool:
        for answer in pool.map(lambda _: client.post(url, content=BODY), range(COUNT)):
            answer.raise_for_status()
    return COUNT


if __name__ == "__main__":
    main()
