"""Reading the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import duckdb

from core.errors import InvalidInput
from core.settings import Settings, load
from warehouse import stores

Parameters = Sequence[Any] | Mapping[str, Any]

READS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}


class BadQuery(InvalidInput):
    """The SQL text is wrong or does more than read; `problem` is DuckDB's message."""

    code = "bad_query"
    texts: ClassVar[dict[str, str]] = {"ru": "Ошибка в запросе: {problem}", "en": "The query failed: {problem}"}


def connect(
    home_or_settings: Path | str | Settings | None = None, read_only: bool = True, *, external: bool = False
) -> duckdb.DuckDBPyConnection:
    """A connection to the warehouse as it is published now; open a new one to see newer data.

    `external` lets the SQL read other files. Without `read_only` it is the loader's own, alone at a time.

    Raises:
        NotPublished: nothing was loaded yet.
    """
    settings = home_or_settings if isinstance(home_or_settings, Settings) else load(_home(home_or_settings))
    store = stores.of(settings)
    return store.reader(external=external) if read_only else store.writer()


def query(sql: str, settings: Settings, parameters: Parameters = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names of the columns and all rows of read-only SQL, of its last statement; raises `BadQuery`."""
    with connect(settings) as connection:
        cursor = run(connection, sql, parameters)
        return [column[0] for column in cursor.description or []], cursor.fetchall()


def run(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters = ()) -> duckdb.DuckDBPyConnection:
    """The connection with the result of the last statement; raises `BadQuery` for SQL that is wrong or more than reads."""
    try:
        for statement in connection.extract_statements(sql):
            if statement.type not in READS:
                raise BadQuery(problem="only SELECT, EXPLAIN, DESCRIBE, SHOW and SUMMARIZE are allowed")
            connection.execute(statement, parameters or None)
    except duckdb.Error as error:
        raise BadQuery(problem=str(error)) from error
    return connection


def _home(home: Path | str | None) -> Path | None:
    return None if home is None else Path(home)
