"""Tables and views of the warehouse, made from `schema/` and `marts/` and kept up to date."""

from __future__ import annotations

import duckdb

from warehouse import sql, table_views

Connection = duckdb.DuckDBPyConnection


def is_empty(connection: Connection) -> bool:
    """Whether nothing was created yet."""
    return "load_state" not in tables(connection)


def is_outdated(connection: Connection) -> bool:
    """Whether the tables were created by another version of `schema/`: the warehouse must be rebuilt."""
    row = connection.execute("SELECT tables_hash FROM load_state").fetchone()
    return row is None or row[0] != sql.fingerprint("schema")


def create(connection: Connection) -> None:
    """All tables and views, empty; inside the caller's transaction."""
    for statements in sql.folder("schema"):
        connection.execute(statements)
    connection.execute(sql.read("loading/state.sql"), [sql.fingerprint("schema")])
    refresh_views(connection)


def refresh_views(connection: Connection) -> None:
    """Every view anew: the marts, and one wide view a table definition."""
    for statements in sql.folder("marts"):
        connection.execute(statements)
    table_views.refresh(connection)
    connection.execute("UPDATE load_state SET views_hash = ?", [sql.fingerprint("marts")])


def views_are_outdated(connection: Connection) -> bool:
    """Whether the views were created by another version of `marts/`."""
    row = connection.execute("SELECT views_hash FROM load_state").fetchone()
    return row is None or row[0] != sql.fingerprint("marts")


def tables(connection: Connection) -> list[str]:
    """Names of all tables."""
    rows = connection.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND NOT internal")
    return sorted(name for (name,) in rows.fetchall())
