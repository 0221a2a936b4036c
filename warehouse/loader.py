"""The one writer: replaces the rows of changed calls, in one transaction with the watermark and a check of the result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import duckdb
import pyarrow as pa

from core import clock
from core.errors import LeaseLost, PermanentError
from core.settings import Settings
from warehouse import catalog, sql, store
from warehouse.batch import DIMENSIONS, FACTS, Batch, Dimensions, LoadRefused, Rows

KNOWN = """
    CREATE OR REPLACE TEMP TABLE loading_known AS
    SELECT call_id, day FROM fact_call SEMI JOIN loading_ids USING (call_id)
"""
DELETE = "DELETE FROM {table} WHERE day BETWEEN ? AND ? AND call_id IN (SELECT call_id FROM loading_known)"
MOVE_OFFICES = """
    UPDATE fact_call SET office_id = o.office_id
    FROM (SELECT c.call_id, l.office_id FROM loading_call c LEFT JOIN loading_office l USING (call_id)) o
    WHERE o.call_id = fact_call.call_id AND o.office_id IS DISTINCT FROM fact_call.office_id
"""
INSERT_CALLS = """
    INSERT INTO fact_call BY NAME
    SELECT c.* EXCLUDE (office_id), o.office_id FROM loading_call c LEFT JOIN loading_office o USING (call_id)
"""
ADVANCE = "UPDATE load_state SET loaded_seq = greatest(loaded_seq, ?), loaded_at = ?, changes = changes + 1"


class SchemaChanged(PermanentError):
    """The tables were made by another version of the product; a rebuild makes them anew."""

    code = "schema_changed"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Устройство витрины изменилось, её нужно собрать заново: rop warehouse rebuild.",
        "en": "The warehouse schema changed, rebuild it: rop warehouse rebuild.",
    }


class Loader:
    """Holds the warehouse open for writing; a later loader with another `holder` fences this one.

    Raises:
        Unavailable: another process has the warehouse open.
        SchemaChanged: it was created by another version of `schema/`.
    """

    def __init__(self, settings: Settings, holder: str = "") -> None:
        self._holder = holder
        self._connection = store.open_private(store.private_file(settings))
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def dimensions_hash(self) -> str:
        """The fingerprint of the dimensions that are loaded."""
        return str(self._one("SELECT dimensions_hash FROM load_state"))

    def load(self, batch: Batch) -> int:
        """Make the warehouse show the batch, wholly or not at all; returns how many calls it holds now of the batch.

        Raises:
            LoadRefused: the rows contradict each other.
            LeaseLost: another loader took over.
        """
        with self._transaction():
            self._check_holder()
            if batch.dimensions is not None:
                self._replace_dimensions(batch.dimensions)
            loaded = self._replace_calls(batch) if batch.call_ids else 0
            self._connection.execute(ADVANCE, [batch.seq, clock.now().replace(tzinfo=None)])
        return loaded

    def _prepare(self) -> None:
        with self._transaction():
            if catalog.is_empty(self._connection):
                catalog.create(self._connection)
            if catalog.is_outdated(self._connection):
                raise SchemaChanged
            if catalog.views_are_outdated(self._connection):
                catalog.refresh_views(self._connection)
                self._connection.execute("UPDATE load_state SET changes = changes + 1")
            self._connection.execute("UPDATE load_state SET holder = ?", [self._holder])

    def _check_holder(self) -> None:
        if self._one("SELECT holder FROM load_state") != self._holder:
            raise LeaseLost(ru="Витрину загружает другой процесс.", en="Another loader took the warehouse over.")

    def _replace_dimensions(self, dimensions: Dimensions) -> None:
        if dimensions.fingerprint == self.dimensions_hash:
            return
        for name in DIMENSIONS:
            self._connection.execute(f"DELETE FROM {name}")  # noqa: S608  a constant
            self._insert(name, dimensions.rows.get(name, ()))
        self._connection.execute("CREATE OR REPLACE TEMP TABLE loading_call AS SELECT * FROM fact_call")
        self._connection.execute(sql.read("loading/offices.sql"))
        self._connection.execute(MOVE_OFFICES)
        catalog.refresh_views(self._connection)
        self._connection.execute("UPDATE load_state SET dimensions_hash = ?", [dimensions.fingerprint])

    def _replace_calls(self, batch: Batch) -> int:
        self._stage_batch(batch)
        self._delete_known()
        self._connection.execute(INSERT_CALLS)
        for name in FACTS[1:]:
            self._insert(name, batch.rows.get(name, ()))
        if broken := self._connection.execute(sql.read("loading/assert.sql")).fetchall():
            raise LoadRefused(rules=broken)
        return int(self._one("SELECT count(*) FROM loading_call"))

    def _stage_batch(self, batch: Batch) -> None:
        """The ids and calls of the batch with their offices, as temporary tables."""
        ids = pa.table({"call_id": pa.array(batch.call_ids, pa.string())})
        self._registered("arriving_ids", ids, "CREATE OR REPLACE TEMP TABLE loading_ids AS FROM {0}")
        calls = self._arrow("fact_call", batch.rows.get("fact_call", ()))
        self._registered("arriving_calls", calls, "CREATE OR REPLACE TEMP TABLE loading_call AS FROM {0}")
        self._connection.execute(sql.read("loading/offices.sql"))

    def _delete_known(self) -> None:
        """Remove the calls' old rows; days bound the search, because rows lie roughly in order of time."""
        self._connection.execute(KNOWN)
        first, last = self._connection.execute("SELECT min(day), max(day) FROM loading_known").fetchone() or (None, None)
        if first is None:
            return
        for name in FACTS:
            self._connection.execute(DELETE.format(table=name), [first, last])

    def _insert(self, name: str, rows: Rows) -> None:
        if rows:
            self._registered(f"arriving_{name}", self._arrow(name, rows), f"INSERT INTO {name} BY NAME FROM {{0}}")

    def _arrow(self, name: str, rows: Rows) -> pa.Table:
        """The rows in the types of the table; a missing column is null."""
        schema = self._connection.execute(f"FROM {name} LIMIT 0").to_arrow_table().schema
        try:
            return pa.Table.from_pylist(list(rows), schema=schema)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise LoadRefused(rules=[(f"{name}: {error}", 1, None)]) from error

    def _registered(self, name: str, table: pa.Table, statement: str) -> None:
        self._connection.register(name, table)
        try:
            self._connection.execute(statement.format(name))
        finally:
            self._connection.unregister(name)

    def _one(self, query: str) -> Any:
        row = self._connection.execute(query).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self._connection.execute("BEGIN")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
