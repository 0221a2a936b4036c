"""One wide typed view a table definition: a column a field, over all versions, the newest version's type wins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from warehouse import sql

PREFIX = "table_"
BASE = ("call_id", "day", "table_version", "manager_id", "office_id", "deal_id", "deal_stage_id")

# The oldest table first, so that a newcomer takes no name away; its newest version first, so that its types win.
FIELDS = """
    SELECT f.table_id, f.field_name, f.type, f.title
    FROM dim_field f JOIN dim_table t USING (table_id, version)
    ORDER BY min(t.valid_from) OVER (PARTITION BY f.table_id), f.table_id, t.is_current DESC, t.number DESC, f.position
"""
VIEW = """
    CREATE OR REPLACE VIEW {view} AS
    SELECT t.call_id, t.day, t.table_version, c.manager_id, c.office_id, c.deal_id, c.deal_stage_id, {columns}
    FROM fact_table t
    JOIN fact_call c ON c.call_id = t.call_id
    LEFT JOIN fact_table_value v ON v.call_id = t.call_id AND v.table_id = t.table_id
    WHERE t.table_id = {table_id} AND t.status = 'ok'
    GROUP BY ALL
"""
# How a field's type reads from the value columns; an older version may have stored the value as text only.
TYPED = {
    "integer": "coalesce(v.value_number, try_cast(v.value_text AS DOUBLE))::BIGINT",
    "number": "coalesce(v.value_number, try_cast(v.value_text AS DOUBLE))",
    "money": "coalesce(v.value_number, try_cast(v.value_text AS DOUBLE))",
    "bool": "coalesce(v.value_bool, try_cast(v.value_text AS BOOLEAN))",
    "date": "coalesce(v.value_date, try_cast(v.value_text AS DATE))",
    "datetime": "coalesce(v.value_time, try_cast(v.value_text AS TIMESTAMP))",
    "list": "coalesce(v.value_list, [v.value_text])",
}


@dataclass(frozen=True)
class View:
    """The view of one table: its name, and for each of its columns the field behind it."""

    name: str
    table_id: str
    columns: dict[str, Field]


@dataclass(frozen=True)
class Field:
    """A field of a table in its newest version."""

    name: str
    type: str
    title: str


def refresh(connection: duckdb.DuckDBPyConnection, *, titles: bool) -> None:
    """Create or replace the view of every table definition, drop those of vanished ones; `titles` become comments of columns."""
    wanted = _wanted(connection)
    for name in sorted(set(_existing(connection)) - {view.name for view in wanted}):
        connection.execute(f"DROP VIEW {sql.quoted(name)}")
    for view in wanted:
        name = sql.quoted(view.name)
        connection.execute(_create(view))
        connection.execute(f"COMMENT ON VIEW {name} IS {sql.literal(f'Таблица {view.table_id}: одна строка на звонок.')}")
        for column, field in view.columns.items() if titles else ():
            connection.execute(f"COMMENT ON COLUMN {name}.{sql.quoted(column)} IS {sql.literal(field.title or field.name)}")


def _create(view: View) -> str:
    columns = ",\n        ".join(_column(field, shown) for shown, field in view.columns.items())
    return VIEW.format(view=sql.quoted(view.name), columns=columns, table_id=sql.literal(view.table_id))


def _column(field: Field, shown: str) -> str:
    value = TYPED.get(field.type, "v.value_text")
    return f"any_value({value}) FILTER (v.field_name = {sql.literal(field.name)} AND v.is_filled) AS {sql.quoted(shown)}"


def _wanted(connection: duckdb.DuckDBPyConnection) -> list[View]:
    fields: dict[str, dict[str, Field]] = {}
    for table_id, name, type, title in connection.execute(FIELDS).fetchall():
        fields.setdefault(table_id, {}).setdefault(name, Field(name, type, title))
    names = _distinct([PREFIX + table_id for table_id in fields], ())
    return [
        View(name, table_id, dict(zip(_distinct(mine, BASE), mine.values(), strict=True)))
        for name, (table_id, mine) in zip(names, fields.items(), strict=True)
    ]


def _distinct(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """The names, with `_2`, `_3` … where one repeats another regardless of case, as DuckDB compares identifiers."""
    seen = {name.lower() for name in taken}
    result = []
    for name in names:
        candidate, number = name, 2
        while candidate.lower() in seen:
            candidate, number = f"{name}_{number}", number + 1
        seen.add(candidate.lower())
        result.append(candidate)
    return result


def _existing(connection: duckdb.DuckDBPyConnection) -> list[str]:
    found = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND NOT internal AND starts_with(view_name, ?)",
        [PREFIX],
    )
    return [name for (name,) in found.fetchall()]
