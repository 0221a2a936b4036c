"""The warehouse against plain DuckDB in the same run, on a synthetic year.

By default a fiftieth of it, `BENCH_CALLS=1000000` the whole. Prints ratios: five reports against hand-written SQL on plain tables (aim
1.5 at most), loading against a bare `INSERT FROM arrow` (aim 0.5 at least), and how load, publication and memory grow with the size.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

import warehouse
from bench import _year
from core import clock
from core.settings import Settings
from db import migrate
from db.engine import Database
from tasks.load import load_pending
from warehouse import catalog, dimensions, publish, scores
from warehouse.batch import FACTS, Batch
from warehouse.embedded import Embedded
from warehouse.facts import Flattener
from warehouse.loader import Loader
from warehouse.stores import Connection
from warehouse.writer import Writer

CALLS = int(os.environ.get("BENCH_CALLS", "20000"))
BLOCK = min(CALLS, 20_000)  # made one by one; the rest of the year repeats it week by week
BATCH = 1000
ROUNDS = 3
FRESH_SECONDS = 20

DRAIN = """
import re, sys
from pathlib import Path
from core.settings import Settings
from db.engine import Database
from tasks.load import load_pending

def highest():
    return re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]

settings, before = Settings(home=Path(sys.argv[1])), highest()
load_pending(Database(settings.db_url), settings)
print(before, highest())
"""
# The same data as plain normalised tables, without views, comments or anything else of ours.
PLAIN = """
    CREATE TABLE calls AS
    SELECT call_id, day, started_local, manager_id, office_id, deal_id, deal_stage_id, direction, status, duration FROM warehouse.fact_call;
    CREATE TABLE results AS SELECT call_id, day, checklist_id, final_completion AS completion FROM warehouse.fact_checklist;
    CREATE TABLE stages AS
    SELECT call_id, day, checklist_id, stage_id, stage_name, position, weight, final_score AS score, moment_quote, moment_seconds,
        comment, person_reason, is_carried
    FROM warehouse.fact_stage;
    CREATE TABLE managers AS FROM warehouse.dim_manager;
    CREATE TABLE offices AS FROM warehouse.dim_office;
"""
REPORTS = {
    "manager ranking": (
        "FROM manager_ranking",
        """
        SELECT checklist_id, rank() OVER (ORDER BY avg(completion) DESC), manager_id, any_value(full_name), count(completion), count(*),
            avg(completion), avg(completion) - 1.96 * stddev_samp(completion) / sqrt(count(completion)),
            avg(completion) + 1.96 * stddev_samp(completion) / sqrt(count(completion))
        FROM calls c LEFT JOIN results r ON r.call_id = c.call_id AND r.day = c.day JOIN managers USING (manager_id)
        GROUP BY checklist_id, manager_id ORDER BY 7 DESC
        """,
    ),
    "stage funnel": (
        "FROM stage_funnel",
        """
        SELECT checklist_id, deal_stage_id, min(position), stage_id, any_value(stage_name), count(*), count(score),
            count(*) FILTER (score = 1), 100.0 * count(*) FILTER (score = 1) / count(score), count(*) FILTER (is_carried)
        FROM stages s JOIN calls c ON c.call_id = s.call_id AND c.day = s.day
        GROUP BY checklist_id, deal_stage_id, stage_id ORDER BY ALL
        """,
    ),
    "office trend": (
        "FROM office_trend",
        """
        SELECT checklist_id, office_id, any_value(title), date_trunc('week', r.day) AS week, count(*), count(DISTINCT manager_id),
            avg(completion)
        FROM results r JOIN calls c ON c.call_id = r.call_id AND c.day = r.day JOIN offices USING (office_id)
        WHERE completion IS NOT NULL GROUP BY checklist_id, office_id, week ORDER BY ALL
        """,
    ),
    "worst moments, one week": (
        "FROM worst_moments WHERE day BETWEEN '2026-01-02' AND '2026-01-08' LIMIT 20",
        """
        SELECT s.call_id, s.day, started_local, full_name, title, deal_stage_id, s.checklist_id, completion, stage_id, stage_name, weight,
            coalesce(person_reason, comment), moment_quote, moment_seconds
        FROM stages s JOIN calls c ON c.call_id = s.call_id AND c.day = s.day
        JOIN results r ON r.call_id = s.call_id AND r.checklist_id = s.checklist_id AND r.day = s.day
        JOIN managers USING (manager_id) JOIN offices USING (office_id)
        WHERE s.day BETWEEN '2026-01-02' AND '2026-01-08' AND score = -1
        ORDER BY weight DESC, completion LIMIT 20
        """,
    ),
    "one manager, one week": (
        "FROM calls WHERE manager_id = 'mgr_007' AND day BETWEEN '2026-01-02' AND '2026-01-08'",
        """
        SELECT c.call_id, c.day, started_local, full_name, title, manager_id, office_id, deal_id, deal_stage_id, direction, status,
            duration, checklist_id, completion
        FROM calls c LEFT JOIN results r ON r.call_id = c.call_id AND r.day = c.day
        JOIN managers USING (manager_id) JOIN offices USING (office_id)
        WHERE manager_id = 'mgr_007' AND c.day BETWEEN '2026-01-02' AND '2026-01-08'
        """,
    ),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), publish_share=1e9)
        print(f"{CALLS} calls of a synthetic year, batches of {BATCH}")
        _loading(settings)
        _reports(settings)
        _freshness(Settings(home=Path(folder) / "fresh", publish_share=1e9))
        _memory(Settings(home=Path(folder) / "memory"), 5 * BATCH)
        if CALLS >= 1_000_000:
            _readers(Path(folder) / "readers")


def _loading(settings: Settings) -> None:
    batches = [_batch(first) for first in range(0, BLOCK, BATCH)]
    bare = _best(lambda: _bare(batches))
    seconds = _best(lambda: _ours(batches))
    print(f"load: {BLOCK / seconds:.0f} calls/s, bare INSERT FROM arrow {BLOCK / bare:.0f} calls/s, ratio {bare / seconds:.2f} (aim 0.5)")
    with Loader(settings) as loader:
        for batch in batches:
            loader.load(batch)
    new, again = _batch(10**7), batches[-1]
    print(f"at {BLOCK} calls: a new batch {_load(settings, new):.2f} s, the same again {_load(settings, again):.2f} s")
    if CALLS > BLOCK:
        _repeat(settings)
        print(f"at {CALLS} calls: a new batch {_load(settings, _batch(2 * 10**7)):.2f} s, the same again {_load(settings, again):.2f} s")
        small = again
        while len(small.call_ids) > 1:
            small, _ = small.halves()
        print(f"at {CALLS} calls: one call again {_load(settings, small):.2f} s")
    done = publish.publish(settings)
    print(f"publish: {done.seconds:.2f} s for {done.bytes / 2**20:.0f} MiB")


def _batch(first: int) -> Batch:
    known = dimensions.build(_year.directory())
    states = list(_year.states(BATCH, first=first % 900_000))
    for state in states:
        state["call"]["call_id"] += f"-{first}"
    batch, _ = Flattener("Europe/Moscow", scores.places(known.rows["dim_stage"])).batch(states, (), first, known)
    return batch


def _ours(batches: list[Batch]) -> float:
    """Seconds of the loader on the same rows in an empty warehouse."""
    with tempfile.TemporaryDirectory() as folder, Loader(Settings(home=Path(folder))) as loader:
        started = time.monotonic()
        for batch in batches:
            loader.load(batch)
        return time.monotonic() - started


def _bare(batches: list[Batch]) -> float:
    """Seconds of nothing but inserting the same rows, ready as Arrow tables, into the same tables, a transaction a batch."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(Path(folder) / "bare.duckdb")) as connection:
        catalog.create(connection)
        writer = Writer(connection)
        ready = [{name: writer.arrow(name, batch.rows[name]) for name in FACTS if batch.rows[name]} for batch in batches]
        started = time.monotonic()
        for tables in ready:
            connection.execute("BEGIN")
            for name, table in tables.items():
                connection.register("arriving", table)
                connection.execute(f"INSERT INTO {name} FROM arriving")
            connection.execute("COMMIT")
        return time.monotonic() - started


def _load(settings: Settings, batch: Batch) -> float:
    with Loader(settings) as loader:
        started = time.monotonic()
        loader.load(batch)
        return time.monotonic() - started


def _repeat(settings: Settings) -> None:
    """Copies of the first block, a week later each, until the year is full."""
    with Embedded(settings).writer() as connection:
        for k in range(1, CALLS // BLOCK):
            for name in FACTS:
                connection.execute(_copy(name, k))


def _copy(name: str, k: int) -> str:
    times = (
        f", started_at + to_days({7 * k}) AS started_at, started_local + to_days({7 * k}) AS started_local" if name == "fact_call" else ""
    )
    columns = f"* REPLACE (call_id || '_copy{k}' AS call_id, day + {7 * k} AS day{times})"
    return f"INSERT INTO {name} SELECT {columns} FROM {name} WHERE NOT contains(call_id, '_copy')"


def _reports(settings: Settings) -> None:
    with duckdb.connect(str(settings.root / "plain.duckdb")) as plain, warehouse.connect(settings) as ours:
        plain.execute(f"ATTACH '{Embedded(settings).private}' AS warehouse (READ_ONLY)")
        plain.execute(PLAIN)
        plain.execute("DETACH warehouse")
        for name, (ours_sql, plain_sql) in REPORTS.items():
            mine, theirs = _asked(ours, ours_sql), _asked(plain, plain_sql)
            print(f"report, {name}: {mine * 1000:.0f} ms, plain {theirs * 1000:.0f} ms, ratio {mine / theirs:.2f} (aim 1.5)")


def _asked(connection: Connection, sql: str) -> float:
    """The best of several times, because neighbours on the machine only ever add."""

    def ask() -> float:
        started = time.monotonic()
        connection.execute(sql).fetchall()
        return time.monotonic() - started

    return min(ask() for _ in range(3 * ROUNDS))


def _freshness(settings: Settings) -> None:
    """One call a second comes in and the loader runs without a pause: how long until a reader sees it?"""
    database = Database(settings.db_url)
    migrate.upgrade(database)
    with database.begin() as session:
        _year.store_directory(session)
    waiting: dict[str, float] = {}
    ages: list[float] = []
    states = iter(_year.states(FRESH_SECONDS, seed=2))
    due, end = time.monotonic(), time.monotonic() + FRESH_SECONDS
    while time.monotonic() < end or waiting:
        if time.monotonic() >= due and (state := next(states, None)):
            due += 1
            with database.begin() as session:
                waiting[_year.store(session, [state])[0]] = clock.monotonic()
        load_pending(database, settings)
        seen = {row[0] for row in warehouse.query("SELECT call_id FROM fact_call", settings)[1]} & set(waiting)
        ages += [clock.monotonic() - waiting.pop(call_id) for call_id in seen]
    database.dispose()
    print(f"freshness at 60 calls a minute: median {statistics.median(ages):.2f} s, highest {max(ages):.2f} s from commit to reader")


def _memory(settings: Settings, calls: int) -> None:
    """The highest memory of a process that does nothing but drain the outbox into the warehouse."""
    database = Database(settings.db_url)
    migrate.upgrade(database)
    with database.begin() as session:
        _year.store_directory(session)
        _year.store(session, _year.states(calls, seed=4))
    database.dispose()
    done = subprocess.run([sys.executable, "-c", DRAIN, str(settings.root)], capture_output=True, text=True, check=True)
    before, after = (int(part) / 1024 for part in done.stdout.split()[-2:])
    print(f"memory: {after:.0f} MiB at most while {calls} calls are drained, {before:.0f} MiB of it the imports")


def _readers(home: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "bench._faults", "readers", str(home), "1000"], capture_output=True, text=True, check=True)
    outcome = json.loads(done.stdout.splitlines()[-1])
    print(f"readers: {outcome['opens']} opens during {outcome['rounds']} loads and publications, failed {outcome['readers_failed']}")


def _best(measure: Callable[[], float]) -> float:
    return min(measure() for _ in range(ROUNDS))
