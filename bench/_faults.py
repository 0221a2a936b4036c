"""What the warehouse must survive: loaders killed at any moment, and readers that open it while it is loaded, published and compacted.

Run as a program: `python -m bench._faults kills HOME N` and `python -m bench._faults readers HOME N`; the figures come as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import warehouse
from bench import _year
from core import clock
from core.errors import TransientError
from core.settings import Settings
from db import calls, migrate, outbox
from db.engine import Database
from tasks.load import load_pending, maintain, rebuild
from warehouse.batch import DIMENSIONS, FACTS
from warehouse.stores import NotPublished

T = TypeVar("T")

# Every count and sum that must agree in one look; a torn state breaks one of them.
TORN = """
    SELECT
        (SELECT count(*) FROM fact_stage) <> 14 * (SELECT count(*) FROM fact_checklist)
        OR (SELECT sum(weight * score) FROM fact_stage) <> (SELECT sum(total_score) FROM fact_checklist)
        OR (SELECT count(*) FROM fact_call WHERE status = 'done') <> (SELECT count(*) FROM fact_checklist)
        OR (SELECT count(*) FROM fact_call) <> (SELECT count(DISTINCT call_id) FROM fact_call)
"""


def kills(settings: Settings, count: int, seed: int = 1) -> dict[str, Any]:
    """Kill a loader `count` times at random moments while calls come, change and go; then compare with a rebuild."""
    chance = random.Random(seed)
    _prepare(settings)
    torn = opened = 0
    for turn in range(count):
        _disturb(settings, chance, turn)
        child = _child(lambda: _load_forever(settings))
        time.sleep(chance.uniform(0.02, 2.5))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if (seen := _look(settings)) is not None:
            opened, torn = opened + 1, torn + seen
    time.sleep(settings.load_lease_seconds)
    loaded = _load(settings)
    found = _contents(settings)
    _with_database(settings, lambda database: rebuild(database, settings))
    return {
        "kills": count,
        "opened": opened,
        "torn": torn,
        "left": loaded,
        "equal": _contents(settings) == found,
        "calls": len(found["fact_call"]),
    }


def readers(settings: Settings, opens: int, processes: int = 2, seed: int = 1) -> dict[str, Any]:
    """Open the warehouse `opens` times while one loader loads, publishes and compacts without a pause."""
    chance = random.Random(seed)
    _prepare(settings)
    _disturb(settings, chance, 0)
    _load(settings)
    children = [_child(lambda: _read(settings, opens // processes)) for _ in range(processes)]
    rounds, codes = 0, list[int]()
    while len(codes) < processes:
        rounds += 1
        _disturb(settings, chance, rounds)
        _load(settings)
        if settings.lake_catalog is not None and rounds % 5 == 0:
            _with_database(settings, lambda database: maintain(database, settings))
        done, status = os.waitpid(-1, os.WNOHANG)
        if done in children:
            codes.append(os.waitstatus_to_exitcode(status))
    return {"opens": opens // processes * processes, "rounds": rounds, "readers_failed": sum(code != 0 for code in codes)}


def _read(settings: Settings, opens: int) -> None:
    for _ in range(opens):
        if _look(settings):
            raise SystemExit(1)


def _look(settings: Settings) -> int | None:
    """1 for a torn state, 0 for a sound one, None before the first publication."""
    try:
        return int(bool(warehouse.query(TORN, settings)[1][0][0]))
    except NotPublished:
        return None


def _load_forever(settings: Settings) -> None:
    while True:
        _load(settings)


def _load(settings: Settings) -> int:
    def attempt(database: Database) -> int:
        try:
            return load_pending(database, settings).calls
        except TransientError:
            return 0

    return _with_database(settings, attempt)


def _prepare(settings: Settings) -> None:
    def fill(database: Database) -> None:
        migrate.upgrade(database)
        with database.begin() as session:
            _year.store_directory(session)

    _with_database(settings, fill)


def _disturb(settings: Settings, chance: random.Random, turn: int) -> None:
    """New calls come, some of the old ones change, one is deleted."""

    def change(database: Database) -> None:
        with database.begin() as session:
            _year.store(session, _year.states(20, seed=9, first=turn * 20))
            known = _known(turn)
            for call_id in chance.sample(known, min(len(known), 5)):
                outbox.changed(session, call_id, clock.now())
            if turn:
                calls.forget(session, known[turn * 20 - 20], clock.now(), "a fault test")

    _with_database(settings, change)


def _known(turn: int) -> list[str]:
    return [state["call"]["call_id"] for state in _year.states(turn * 20, seed=9)]


def _contents(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    with warehouse.connect(settings) as connection:
        return {name: connection.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in (*FACTS, *DIMENSIONS)}


def _with_database(settings: Settings, work: Callable[[Database], T]) -> T:
    """Run with a database of its own, so that no connection lives across a fork."""
    database = Database(settings.db_url)
    try:
        return work(database)
    finally:
        database.dispose()


def _child(work: Callable[[], None]) -> int:
    """The pid of a forked process that does the work."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:  # noqa: BLE001  the parent sees the exit code
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return pid


def _settings(home: Path) -> Settings:
    return Settings(home=home, load_batch_calls=7, load_lease_seconds=0.5, publish_share=1e9)


if __name__ == "__main__":
    what, home, number = sys.argv[1:4]
    measure = kills if what == "kills" else readers
    print(json.dumps(measure(_settings(Path(home)), int(number))))
