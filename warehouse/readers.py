"""Reading the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import duckdb

from core.errors import InvalidInput
from core.settings import Settings, load
from warehouse import store


class BadQuery(InvalidInput):
    """The SQL text is wrong; `problem` is DuckDB's message."""

    code = "bad_query"
    texts: ClassVar[dict[str, str]] = {"ru": "Ошибка в запросе: {problem}", "en": "The query failed: {problem}"}


def connect(
    home_or_settings: Path | str | Settings | None = None, read_only: bool = True, *, external: bool = False
) -> duckdb.DuckDBPyConnection:
    """A connection to the published warehouse as it is now; open a new one to see newer data.

    `external` lets the SQL read other files. Without `read_only` it is the loader's own file.

    Raises:
        NotPublished: nothing was loaded yet.
    """
    settings = home_or_settings if isinstance(home_or_settings, Settings) else load(_home(home_or_settings))
    if not read_only:
        return store.open_private(store.private_file(settings))
    return store.open_published(store.published_file(settings), external=external)


def query(sql: str, settings: Settings, parameters: Sequence[Any] | dict[str, Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names of the columns and all rows of one read-only query; raises `BadQuery` with DuckDB's message."""
    with connect(settings) as connection:
        try:
            cursor = connection.execute(sql, parameters or None)
            return [column[0] for column in cursor.description or []], cursor.fetchall()
        except duckdb.Error as error:
            raise BadQuery(problem=str(error)) from error


def _home(home: Path | str | None) -> Path | None:
    return None if home is None else Path(home)
