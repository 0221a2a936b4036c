"""Where the warehouse lies and how it is opened: one private file for the loader, one published copy for readers."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import duckdb

from core.errors import NotFound, Unavailable
from core.settings import Settings
from warehouse import sql


class NotPublished(NotFound):
    """Nothing was published yet."""

    code = "warehouse_empty"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Витрина ещё не опубликована: дождитесь первой загрузки.",
        "en": "The warehouse is not published yet: wait for the first load.",
    }


def private_file(settings: Settings) -> Path:
    """The loader's own file."""
    return settings.warehouse_dir / "warehouse.duckdb"


def published_file(settings: Settings) -> Path:
    """The file that readers open; replaced as a whole by every publication."""
    return settings.warehouse_dir / "reports.duckdb"


def open_private(path: Path) -> duckdb.DuckDBPyConnection:
    """The only connection that writes.

    Raises:
        Unavailable: another process has the file open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return duckdb.connect(str(path))
    except duckdb.IOException as error:
        raise Unavailable(ru="Витрина занята другим загрузчиком.", en="Another loader has the warehouse open.") from error


def open_published(path: Path, *, external: bool) -> duckdb.DuckDBPyConnection:
    """A read-only view of one published file, for as long as it stays open; `external` lets SQL touch other files.

    Attached to an instance of its own: connections to the same path share one instance, and so would share an old file.
    """
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    try:
        connection.execute(f"ATTACH {sql.literal(str(path))} AS reports (READ_ONLY)")
    except duckdb.IOException as error:
        connection.close()
        if path.exists():
            raise
        raise NotPublished from error
    connection.execute("USE reports")
    if not external:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    return connection
