"""One wide typed view a table definition: a column a field, over all versions, the newest version's type wins."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from warehouse import sql

PREFIX = "table_"
BASE = ("call_id", "day", "table_version", "manager_id", "office_id", "deal_id", "deal_stage_id")

# The oldest table first, so that a newcomer takes no name away; its newest version first, so that its types win.
FIELDS = """
    SELECT f.table_id, f.field_name, f.type
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


def refresh(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Create or replace the view of every table definition, drop those of vanished ones; returns their names."""
    wanted = _definitions(connection)
    for view in sorted(set(_existing(connection)) - set(wanted)):
        connection.execute(f"DROP VIEW {sql.quoted(view)}")
    for view, (table_id, fields) in wanted.items():
        connection.execute(_create(view, table_id, fields))
        connection.execute(f"COMMENT ON VIEW {sql.quoted(view)} IS {sql.literal(f'Таблица {table_id}: одна строка на звонок.')}")
    return list(wanted)


def _create(view: str, table_id: str, fields: list[tuple[str, str]]) -> str:
    names = _distinct([name for name, _ in fields], BASE)
    columns = ",\n        ".join(_column(name, shown, type) for (name, type), shown in zip(fields, names, strict=True))
    return VIEW.format(view=sql.quoted(view), columns=columns, table_id=sql.literal(table_id))


def _column(name: str, shown: str, type: str) -> str:
    value = TYPED.get(type, "v.value_text")
    return f"any_value({value}) FILTER (v.field_name = {sql.literal(name)} AND v.is_filled) AS {sql.quoted(shown)}"


def _definitions(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """View name → table id and its fields with their types; ids that differ in case alone get a number."""
    fields: dict[str, dict[str, str]] = {}
    for table_id, name, type in connection.execute(FIELDS).fetchall():
        fields.setdefault(table_id, {}).setdefault(name, type)
    names = _distinct([PREFIX + table_id for table_id in fields], ())
    return {view: (table_id, list(fields[table_id].items())) for view, table_id in zip(names, fields, strict=True)}


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
