"""What killed processes left beside the warehouse goes, and nothing that is in use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

import warehouse
from bench import _year
from core import clock
from core.settings import Settings
from warehouse import leftovers, publish
from warehouse.batch import Batch
from warehouse.loader import Loader

DAY = timedelta(seconds=leftovers.IDLE_SECONDS)
MINUTE = timedelta(minutes=1)
LEFT = (
    "warehouse/warehouse.new",
    "warehouse/warehouse.new.wal",
    "warehouse/warehouse.new.tmp/duckdb_temp_storage_DEFAULT-0.tmp",
    "warehouse/warehouse.duckdb.tmp/duckdb_temp_storage_DEFAULT-0.tmp",
    "warehouse/search.new",
    "warehouse/reports.part",
    "exports/manifest.part",
    "exports/fact_utterance/2026-01-0123456789abcdef.part",
)
KEPT = (
    "warehouse/warehouse.duckdb",
    "warehouse/warehouse.duckdb.wal",
    "warehouse/reports.duckdb",
    "warehouse/search.duckdb",
    "warehouse/lake/fact_call/part.parquet",
    "exports/manifest.json",
    "exports/fact_utterance/2026-01-0123456789abcdef.parquet",
    "audio/.parts/rec_1.part",
)
SPILL = "SET threads = 1; SET memory_limit = '20MB'; CREATE TEMP TABLE large AS SELECT md5(range::VARCHAR) AS text FROM range(1_000_000)"
HOLD = f"""
import sys, warehouse
connection = warehouse.connect(sys.argv[1], external=True)
connection.execute({SPILL!r})
print("spilled", flush=True)
sys.stdin.read()
"""


def put(settings: Settings, name: str, age: timedelta) -> Path:
    path = settings.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    moment = (clock.now() - age).timestamp()
    os.utime(path, (moment, moment))
    return path


def spilled(settings: Settings) -> list[Path]:
    return list(settings.warehouse_dir.glob("spill/*/*"))


@pytest.fixture
def published(tmp_path: Path, batch_of: Callable[..., Batch]) -> Settings:
    settings = Settings(home=tmp_path)
    with Loader(settings) as loader:
        loader.load(batch_of(list(_year.states(2))))
    publish.publish(settings)
    return settings


def test_unfinished_files_go_after_a_day_and_finished_ones_never(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert leftovers.sweep(settings) == 0
    left, kept = ([put(settings, name, DAY - MINUTE) for name in names] for names in (LEFT, KEPT))
    assert leftovers.sweep(settings) == 0
    with time_machine.travel(clock.now() + 2 * MINUTE):
        assert leftovers.sweep(settings) == len(left)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


def test_what_a_killed_query_spilled_goes(published: Settings) -> None:
    command = [sys.executable, "-c", HOLD, str(published.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"spilled\n"
        reader.send_signal(signal.SIGKILL)
    assert spilled(published)
    with time_machine.travel(clock.now() + DAY + MINUTE):
        leftovers.sweep(published)
    assert spilled(published) == []


def test_a_reader_that_was_idle_for_days_spills_again(published: Settings) -> None:
    with warehouse.connect(published, external=True) as connection:
        connection.execute(SPILL)
        connection.execute("DROP TABLE large")
        with time_machine.travel(clock.now() + 2 * DAY):
            leftovers.sweep(published)
        connection.execute(SPILL)
        assert spilled(published)
