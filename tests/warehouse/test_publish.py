"""Publication against other processes and against interruptions."""

from __future__ import annotations

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
from core.errors import Unavailable
from core.settings import Settings
from warehouse import publish
from warehouse.batch import Batch
from warehouse.embedded import Embedded
from warehouse.loader import Loader, rebuild

Make = Callable[..., Batch]
HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def loaded(tmp_path: Path, batch_of: Make) -> Settings:
    settings = Settings(home=tmp_path)
    with Loader(settings) as loader:
        loader.load(batch_of(list(_year.states(5))))
    return settings


def put(settings: Settings, batch: Batch) -> None:
    with Loader(settings) as loader:
        loader.load(batch)


def test_a_loader_elsewhere_keeps_everybody_else_out(loaded: Settings, batch_of: Make) -> None:
    command = [sys.executable, "-c", HOLD, str(Embedded(loaded).private)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(Unavailable):
            publish.publish(loaded)
        with pytest.raises(Unavailable):
            Loader(loaded)
        other.communicate()
    assert publish.publish(loaded).bytes > 0


def test_nobody_can_write_while_the_file_is_copied(loaded: Settings) -> None:
    path = Embedded(loaded).private
    with path.open("rb") as file:
        publish._hold(file.fileno())
        tried = subprocess.run([sys.executable, "-c", HOLD, str(path)], capture_output=True, text=True, check=False)
        assert "Could not set lock" in tried.stderr
    with Embedded(loaded).writer() as connection:
        assert connection.execute("SELECT count(*) FROM fact_call").fetchone() == (5,)


def test_it_is_due_when_something_changed_and_not_before(loaded: Settings, batch_of: Make) -> None:
    assert publish.is_due(loaded)
    publish.publish(loaded)
    assert not publish.is_due(loaded)
    put(loaded, batch_of(list(_year.states(1, first=9))))
    later = clock.now() + timedelta(minutes=5)
    with time_machine.travel(later):
        assert publish.is_due(loaded)
        Embedded(loaded).published.unlink()
        assert publish.is_due(loaded)


def test_a_kill_before_the_rename_leaves_it_due(loaded: Settings, batch_of: Make) -> None:
    publish.publish(loaded)
    put(loaded, batch_of(list(_year.states(1, first=9))))
    with Embedded(loaded).writer() as connection:
        connection.execute("UPDATE load_state SET published_at = ?", [clock.now().replace(tzinfo=None)])
    Embedded(loaded).published.with_suffix(".part").write_bytes(b"half")
    with time_machine.travel(clock.now() + timedelta(minutes=5)):
        assert publish.is_due(loaded)
        publish.publish(loaded)
    assert warehouse.query("SELECT count(*) FROM fact_call", loaded)[1] == [(6,)]


def test_the_published_file_says_when_it_was_published(loaded: Settings) -> None:
    before = clock.now().replace(tzinfo=None)
    publish.publish(loaded)
    ((at,),) = warehouse.query("SELECT published_at FROM freshness", loaded)[1]
    assert before <= at <= clock.now().replace(tzinfo=None)


def test_a_file_that_cannot_be_read_is_replaced_by_a_rebuild(loaded: Settings, batch_of: Make) -> None:
    Embedded(loaded).private.write_bytes(b"not a database" * 1000)
    rebuild(loaded, [batch_of(list(_year.states(7)))])
    publish.publish(loaded)
    assert warehouse.query("SELECT count(*) FROM fact_call", loaded)[1] == [(7,)]


def test_changes_of_the_same_calls_do_not_fill_the_disk(loaded: Settings, batch_of: Make) -> None:
    """A day of late webhook answers and marks: the file stays near the size of what it holds."""
    batch = batch_of(list(_year.states(300)))
    put(loaded, batch)
    size = publish.publish(loaded).bytes
    with Loader(loaded) as loader:
        for _ in range(20):
            loader.load(batch)
    assert publish.publish(loaded).bytes < 4 * size
