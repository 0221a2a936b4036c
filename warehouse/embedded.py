"""The warehouse of one machine: a private file for the loader, and a published copy for everybody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import structlog

from core.errors import Unavailable
from core.settings import Settings
from warehouse import sql
from warehouse.stores import OFFLINE, Connection, NotPublished, instance

log = structlog.get_logger(__name__)


class Embedded:
    """`Store` on two files of `warehouse_dir`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.private = settings.warehouse_dir / "warehouse.duckdb"
        self.published = settings.warehouse_dir / "reports.duckdb"

    def writer(self) -> Connection:
        return _open(self.private)

    def reader(self, *, external: bool) -> Connection:
        """The published file as it is now, for as long as the connection lives.

        It is attached to an instance of its own: connections to one path share an instance, and so would share an old file.
        """
        if not self.published.exists():
            raise NotPublished
        connection = instance(self._settings)
        try:
            connection.execute(f"ATTACH {sql.literal(str(self.published))} AS warehouse (READ_ONLY)")
        except duckdb.IOException:
            connection.close()
            raise
        connection.execute("USE warehouse")
        if not external:
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
        return connection

    @contextmanager
    def anew(self) -> Iterator[Connection]:
        staging = self.private.with_suffix(".new")
        for leftover in (staging, _log_of(staging)):
            leftover.unlink(missing_ok=True)
        with _open(staging) as connection:
            yield connection
            connection.execute("CHECKPOINT")
        self._settle()
        staging.replace(self.private)

    def _settle(self) -> None:
        """Leave nothing in the log of the present file: it would be replayed into the one that takes its place."""
        try:
            with self.writer() as connection:
                connection.execute("CHECKPOINT")
        except duckdb.Error as error:
            log.warning("warehouse_unreadable", path=str(self.private), error=str(error))
        _log_of(self.private).unlink(missing_ok=True)


def _open(path: Path) -> Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return duckdb.connect(str(path), config=OFFLINE)
    except duckdb.IOException as error:
        if "lock" not in str(error):
            raise
        raise Unavailable(ru="Витрина занята другим загрузчиком.", en="Another loader has the warehouse open.") from error


def _log_of(path: Path) -> Path:
    """The write-ahead log that DuckDB keeps beside a file."""
    return path.with_name(path.name + ".wal")
