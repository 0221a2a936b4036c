"""Tables and views of the warehouse, made from `schema/` and `marts/` and kept up to date."""

from __future__ import annotations

from core import ids
from warehouse import sql, table_views
from warehouse.stores import Connection

IS_LAKE = "SELECT type = 'ducklake' FROM duckdb_databases() WHERE database_name = current_database()"
TABLES = "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND NOT internal"


def is_empty(connection: Connection) -> bool:
    """Whether nothing was created yet."""
    return ("load_state",) not in connection.execute(TABLES).fetchall()


def tables_are_outdated(connection: Connection) -> bool:
    """Whether the tables were created by another version of `schema/`: the warehouse must be rebuilt."""
    return _one(connection, "SELECT tables_hash FROM load_state") != sql.fingerprint("schema")


def views_are_outdated(connection: Connection) -> bool:
    """Whether the views were created by another version of the product."""
    return _one(connection, "SELECT views_hash FROM load_state") != _views()


def public_url(connection: Connection) -> str:
    """The base address of the links in views."""
    return str(_one(connection, "SELECT public_url FROM load_state"))


def create(connection: Connection, public_url: str = "") -> None:
    """All tables and views, empty; inside the caller's transaction. `public_url` is the base of the links in views."""
    for statements in sql.folder("schema"):
        connection.execute(statements)
    if is_lake(connection):
        connection.execute(sql.read("loading/partitions.sql"))
    connection.execute(sql.read("loading/state.sql"), [sql.fingerprint("schema"), public_url])
    refresh_views(connection)


def refresh_views(connection: Connection) -> None:
    """Every view anew: the marts, and one wide view a table definition."""
    lake, base = is_lake(connection), sql.literal(public_url(connection))
    for text in sql.folder("marts"):
        for statement in connection.extract_statements(text.replace("$public_url", base)):
            if not (lake and statement.query.lstrip().startswith("COMMENT ON COLUMN")):
                connection.execute(statement)
    refresh_table_views(connection)
    connection.execute("UPDATE load_state SET views_hash = ?", [_views()])


def refresh_table_views(connection: Connection) -> None:
    """The wide views of table definitions anew."""
    # DuckLake keeps comments on tables, their columns and views, but not on the columns of a view.
    table_views.refresh(connection, titles=not is_lake(connection))


def is_lake(connection: Connection) -> bool:
    """Whether the warehouse is a DuckLake."""
    return bool(_one(connection, IS_LAKE))


def _views() -> str:
    """A hash that changes with any view."""
    return ids.content_hash([sql.fingerprint("marts"), table_views.VIEW, table_views.TYPED])


def _one(connection: Connection, query: str) -> object:
    row = connection.execute(query).fetchone()
    return None if row is None else row[0]
