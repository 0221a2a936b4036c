"""Replacing rows of the warehouse; the caller decides where a transaction begins and ends."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa

from core import clock
from warehouse import catalog, sql
from warehouse.batch import DIMENSIONS, FACTS, Batch, Dimensions, LoadRefused, Rows
from warehouse.stores import Connection

KNOWN = """
    CREATE OR REPLACE TEMP TABLE loading_known AS
    SELECT call_id, day FROM fact_call SEMI JOIN loading_ids USING (call_id)
"""
# Rows lie roughly in order of time, so days bound every search for the rows of a call.
DAYS = "SELECT min(day), max(day) FROM (SELECT day FROM loading_known UNION ALL SELECT day FROM loading_call)"
DELETE = "DELETE FROM {table} WHERE day BETWEEN '{first}' AND '{last}' AND call_id IN (SELECT call_id FROM loading_known)"
INSERT = "INSERT INTO {table} BY NAME FROM arriving"
WITH_OFFICE = ("fact_call", "fact_checklist")
INSERT_WITH_OFFICE = """
    INSERT INTO {table} BY NAME
    SELECT a.* EXCLUDE (office_id), o.office_id FROM {source} a LEFT JOIN loading_office o USING (call_id)
"""
MOVE_OFFICES = """
    UPDATE {table} SET office_id = o.office_id
    FROM (SELECT c.call_id, l.office_id FROM loading_call c LEFT JOIN loading_office l USING (call_id)) o
    WHERE o.call_id = {table}.call_id AND o.office_id IS DISTINCT FROM {table}.office_id
"""
ADVANCE = "UPDATE load_state SET loaded_seq = greatest(loaded_seq, ?), loaded_at = ?, changes = changes + 1"


class Writer:
    """Writes batches through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._schemas: dict[str, pa.Schema] = {}

    @property
    def dimensions_hash(self) -> str:
        """The fingerprint of the dimensions that are loaded."""
        return str(self._one("SELECT dimensions_hash FROM load_state"))

    def write(self, batch: Batch) -> int:
        """Replace the rows of the batch's calls and check the result; returns how many of the calls there are now.

        Raises:
            LoadRefused: the rows contradict each other; the caller has to roll back.
        """
        if batch.dimensions is not None:
            self._replace_dimensions(batch.dimensions)
        loaded = self._replace_calls(batch) if batch.call_ids else 0
        self._connection.execute(ADVANCE, [batch.seq, clock.now().replace(tzinfo=None)])
        return loaded

    def _replace_dimensions(self, dimensions: Dimensions) -> None:
        if dimensions.fingerprint == self.dimensions_hash:
            return
        for name in DIMENSIONS:
            self._connection.execute(f"DELETE FROM {name}")  # noqa: S608  a constant
            self._insert(name, dimensions.rows.get(name, ()))
        self._connection.execute("CREATE OR REPLACE TEMP TABLE loading_call AS SELECT * FROM fact_call")
        self._connection.execute(sql.read("loading/offices.sql"))
        for name in WITH_OFFICE:
            self._connection.execute(MOVE_OFFICES.format(table=name))
        catalog.refresh_table_views(self._connection)
        self._connection.execute("UPDATE load_state SET dimensions_hash = ?", [dimensions.fingerprint])

    def _replace_calls(self, batch: Batch) -> int:
        self._stage(batch)
        first, last = self._connection.execute(DAYS).fetchone() or (None, None)
        if first is None:
            return 0
        if self._one("SELECT count(*) FROM loading_known"):
            for name in FACTS:
                self._connection.execute(DELETE.format(table=name, first=first, last=last))
        self._connection.execute(INSERT_WITH_OFFICE.format(table="fact_call", source="loading_call"))
        for name in FACTS[1:]:
            self._insert(name, batch.rows.get(name, ()))
        self._check(first, last)
        return int(self._one("SELECT count(*) FROM loading_call"))

    def _stage(self, batch: Batch) -> None:
        """Temporary tables: the ids, their calls with offices, and which of them are known already."""
        ids = pa.table({"call_id": pa.array(batch.call_ids, pa.string())})
        self._from_arrow(ids, "CREATE OR REPLACE TEMP TABLE loading_ids AS FROM arriving")
        calls = self.arrow("fact_call", batch.rows.get("fact_call", ()))
        self._from_arrow(calls, "CREATE OR REPLACE TEMP TABLE loading_call AS FROM arriving")
        self._connection.execute(sql.read("loading/offices.sql"))
        self._connection.execute(KNOWN)

    def _check(self, first: date, last: date) -> None:
        checks = sql.read("loading/assert.sql").format(first=first, last=last)
        if broken := self._connection.execute(checks).fetchall():
            raise LoadRefused(rules=broken)

    def _insert(self, name: str, rows: Rows) -> None:
        if rows:
            statement = INSERT_WITH_OFFICE.format(table=name, source="arriving") if name in WITH_OFFICE else INSERT.format(table=name)
            self._from_arrow(self.arrow(name, rows), statement)

    def arrow(self, name: str, rows: Rows) -> pa.Table:
        """The rows in the types of the table; a missing column is null."""
        if name not in self._schemas:
            self._schemas[name] = self._connection.execute(f"FROM {name} LIMIT 0").to_arrow_table().schema
        try:
            return pa.Table.from_pylist(list(rows), schema=self._schemas[name])
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise LoadRefused(rules=[(f"{name}: {error}", 1, None)]) from error

    def _from_arrow(self, table: pa.Table, statement: str) -> None:
        """Run a statement that reads the table as `arriving`."""
        self._connection.register("arriving", table)
        try:
            self._connection.execute(statement)
        finally:
            self._connection.unregister("arriving")

    def _one(self, query: str) -> Any:
        row = self._connection.execute(query).fetchone()
        return None if row is None else row[0]
