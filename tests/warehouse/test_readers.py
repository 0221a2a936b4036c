"""What a reader may do, and that an open reader is never in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

import warehouse
from bench import _year
from core.settings import Settings
from warehouse import publish
from warehouse.batch import Batch
from warehouse.embedded import Embedded
from warehouse.loader import Loader
from warehouse.readers import BadQuery
from warehouse.stores import NotPublished

HOSTILE = (
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "ATTACH '/tmp/other.duckdb' AS other",
    "COPY fact_call TO '/tmp/stolen.csv'",
    "INSERT INTO dim_office VALUES ('x', 'x', true, now())",
    "UPDATE fact_stage SET score = 1",
    "DROP TABLE fact_call",
    "SET enable_external_access = true",
    "LOAD httpfs",
    "INSTALL httpfs",
    "SELECT 1; DROP TABLE fact_call",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "PRAGMA database_list; COPY fact_call TO '/tmp/stolen.csv'",
)
# Forty megabytes.
LARGE = "CREATE TEMP TABLE large AS SELECT range AS n, md5(range::VARCHAR) AS text FROM range(1_000_000)"


@pytest.fixture
def loaded(house: Settings, batch_of: Callable[..., Batch]) -> Settings:
    with Loader(house) as loader:
        loader.load(batch_of(list(_year.states(5))))
    if publish.is_due(house):
        publish.publish(house)
    return house


def test_a_reader_reads_and_nothing_else(loaded: Settings) -> None:
    assert warehouse.query("SELECT count(*) AS n FROM fact_call", loaded) == (["n"], [(5,)])
    assert warehouse.query("DESCRIBE fact_call", loaded)[1]
    for sql in HOSTILE:
        with pytest.raises(BadQuery):
            warehouse.query(sql, loaded)
    with warehouse.connect(loaded) as connection:
        for sql in HOSTILE:
            with pytest.raises(duckdb.Error):
                connection.execute(sql)
    assert warehouse.query("SELECT count(*) FROM fact_call", loaded)[1] == [(5,)]


def test_no_query_sees_a_password(loaded: Settings) -> None:
    for name in ("duckdb_databases()", "duckdb_secrets()", "duckdb_settings()"):
        assert "postgresql://" not in str(warehouse.query(f"FROM {name}", loaded))


def test_a_wrong_query_says_what_is_wrong(loaded: Settings) -> None:
    with pytest.raises(BadQuery, match="no_such_table"):
        warehouse.query("FROM no_such_table", loaded)


def test_nothing_is_published_before_the_first_load(house: Settings) -> None:
    with pytest.raises(NotPublished):
        warehouse.connect(house)


def test_a_reader_finds_the_warehouse_by_its_home(tmp_path: Path, batch_of: Callable[..., Batch]) -> None:
    settings = Settings(home=tmp_path)
    with Loader(settings) as loader:
        loader.load(batch_of(list(_year.states(2))))
    publish.publish(settings)
    with warehouse.connect(tmp_path) as connection:
        assert connection.execute("SELECT calls FROM freshness").fetchall() == [(2,)]


def test_an_old_reader_keeps_its_file_and_a_new_one_sees_the_new(tmp_path: Path, batch_of: Callable[..., Batch]) -> None:
    settings = Settings(home=tmp_path)
    with Loader(settings) as loader:
        loader.load(batch_of(list(_year.states(2))))
    publish.publish(settings)
    with warehouse.connect(settings) as old:
        with Loader(settings) as loader:
            loader.load(batch_of(list(_year.states(2, first=2))))
        publish.publish(settings)
        with warehouse.connect(settings) as new:
            assert new.execute("SELECT count(*) FROM fact_call").fetchall() == [(4,)]
            assert old.execute("SELECT count(*) FROM fact_call").fetchall() == [(2,)]


def narrow(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A reader with little memory."""
    connection = warehouse.connect(settings, external=True)
    connection.execute("SET threads = 1; SET memory_limit = '20MB'")
    return connection


def test_readers_spill_below_the_home_each_for_itself(loaded: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with narrow(loaded) as one, narrow(loaded) as other:
        for connection in (one, other):
            connection.execute(LARGE)
        found = {connection.execute("SELECT count(*), max(text) FROM large").fetchone() for connection in (one, other)}
        spilled = list((loaded.warehouse_dir / "spill").glob("*/*"))
    assert (len(found), len({path.parent for path in spilled})) == (1, 2)
    assert (list(elsewhere.iterdir()), list((loaded.warehouse_dir / "spill").iterdir())) == ([], [])


def test_who_may_not_write_to_the_home_reads_what_fits_in_memory(loaded: Settings) -> None:
    spill = loaded.warehouse_dir / "spill"
    if spill.exists():
        spill.rmdir()
    spill.touch()  # root may write anywhere but below a file
    with narrow(loaded) as connection:
        assert connection.execute("SELECT count(*) FROM fact_call").fetchall() == [(5,)]
        with pytest.raises(duckdb.IOException):
            connection.execute(LARGE)


def test_whoever_asks_an_empty_home_leaves_it_empty(tmp_path: Path) -> None:
    with pytest.raises(NotPublished):
        warehouse.connect(Settings(home=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_published_file_opens_without_us(tmp_path: Path, batch_of: Callable[..., Batch]) -> None:
    """As the DuckDB command line or a dashboard would open it."""
    settings = Settings(home=tmp_path)
    with Loader(settings) as loader:
        loader.load(batch_of(list(_year.states(20))))
    publish.publish(settings)
    with duckdb.connect(str(Embedded(settings).published), read_only=True) as connection:
        assert connection.execute("SELECT sum(n) FROM manager_ranking").fetchone()
        assert connection.execute("SELECT count(*) FROM table_deal").fetchone()
