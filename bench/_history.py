"""A stack that has seen many calls, without the hours they take: rows in the operational database, runs in Prefect's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from bench import _house
from core import clock

# What Prefect keeps of the runs of calls, and how to know it. `artifact_collection` is one row a key, however many runs there were.
RUNS = "SELECT run.id FROM flow_run AS run JOIN flow ON flow.id = run.flow_id WHERE flow.name = 'process-call'"
TASKS = f"SELECT id FROM task_run WHERE flow_run_id IN ({RUNS})"
PREFECT_TABLES = {
    "flow_run": f"id IN ({RUNS})",
    "flow_run_state": f"flow_run_id IN ({RUNS})",
    "task_run": f"flow_run_id IN ({RUNS})",
    "task_run_state": f"task_run_id IN ({TASKS})",
    "log": f"flow_run_id IN ({RUNS})",
    "artifact": f"flow_run_id IN ({RUNS})",
    "events": "id IS NOT NULL",
    "event_resources": "id IS NOT NULL",
}
NUMBERS = "WITH RECURSIVE numbers(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM numbers WHERE k < ?)"


def store_calls(home: Path, count: int) -> None:
    """Put this many judged calls into the database of a home folder; its stack may be running."""
    house = _house.build(home)
    at = clock.now() - timedelta(days=1)
    for number in range(count):
        house.call(f"stored-{number}", at=at + timedelta(seconds=10 * number))
    house.database.dispose()


def repeat_runs(prefect_database: Path, copies: int) -> int:
    """Copy all that Prefect knows of the runs of calls, under new ids, `copies` times; how many such runs there are then."""
    with closing(sqlite3.connect(prefect_database, isolation_level=None, timeout=60)) as connection:
        known = {key for table in PREFECT_TABLES for (key,) in connection.execute(f"SELECT id FROM {table}")}
        connection.create_function("another", 2, lambda value, k: f"{k:08x}{value[8:]}" if value in known else value)
        connection.execute("BEGIN IMMEDIATE")
        for table in reversed(PREFECT_TABLES):  # the runs last: the others are chosen by them
            _repeat(connection, table, copies)
        connection.execute("COMMIT")
        return len(connection.execute(RUNS).fetchall())


def _repeat(connection: sqlite3.Connection, table: str, copies: int) -> None:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    unique = {"idempotency_key": "idempotency_key || '#' || k"}
    chosen = ", ".join(unique.get(name, f'another("{name}", k)') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    rows = f"SELECT {chosen} FROM {table}, numbers WHERE {table}.{PREFECT_TABLES[table]}"
    connection.execute(f"INSERT INTO {table} ({names}) {NUMBERS} {rows}", (copies,))
