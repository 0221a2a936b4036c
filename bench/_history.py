"""A stack that has seen many calls, without the hours they take: rows in the operational database, runs in Prefect's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from bench import _house
from core import clock

# What Prefect keeps of a run. `artifact_collection` is one row a key, however many runs there were.
PREFECT_TABLES = ("flow_run", "flow_run_state", "task_run", "task_run_state", "log", "artifact", "events", "event_resources")
NUMBERS = "WITH RECURSIVE numbers(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM numbers WHERE k < ?)"


def store_calls(home: Path, count: int) -> None:
    """Put this many judged calls into the database of a home folder; its stack may be running."""
    house = _house.build(home)
    at = clock.now() - timedelta(days=1)
    for number in range(count):
        house.call(f"stored-{number}", at=at + timedelta(seconds=10 * number))
    house.database.dispose()


def repeat_runs(prefect_database: Path, copies: int) -> int:
    """Copy all that Prefect's SQLite database knows of its runs, under new ids, `copies` times; the number of flow runs then."""
    with closing(sqlite3.connect(prefect_database, isolation_level=None, timeout=60)) as connection:
        known = {key for table in PREFECT_TABLES for (key,) in connection.execute(f"SELECT id FROM {table}")}
        connection.create_function("another", 2, lambda value, k: f"{k:08x}{value[8:]}" if value in known else value)
        connection.execute("BEGIN IMMEDIATE")
        for table in PREFECT_TABLES:
            _repeat(connection, table, copies)
        connection.execute("COMMIT")
        return int(connection.execute("SELECT count(*) FROM flow_run").fetchone()[0])


def _repeat(connection: sqlite3.Connection, table: str, copies: int) -> None:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    unique = {"idempotency_key": "idempotency_key || '#' || k"}
    chosen = ", ".join(unique.get(name, f'another("{name}", k)') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    connection.execute(f"INSERT INTO {table} ({names}) {NUMBERS} SELECT {chosen} FROM {table}, numbers", (copies,))
