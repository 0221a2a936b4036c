"""An exact moving window, shared by every API process: of one machine on SQLite, of all machines on PostgreSQL.

Hits need no durability, so nothing here waits for a disk: on SQLite they have a file of their own, where they never queue behind the
commit of a call; on PostgreSQL their commit is asynchronous.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import structlog
from sqlalchemy import delete, func, insert, make_url, or_, select, text
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from db.engine import Database
from db.models import RateHit

WINDOW_SECONDS = 60.0
BUSY_SECONDS = 5.0  # another process holds the file for microseconds
SWEEP_EVERY = 1000  # admissions of this process, after which the buckets of those who left are swept too

log = structlog.get_logger(__name__)


class Limiter(Protocol):
    """Admits at most `limit` requests of a bucket in any 60 seconds."""

    def admit(self, bucket: str, limit: int, at: float) -> float | None:
        """None when the request at `at` (seconds since 1970) is admitted and counted, else seconds until one would be."""

    def close(self) -> None:
        """Give the connection back."""


def limiter(database: Database) -> Limiter:
    """The limiter that fits the database."""
    return SqliteLimiter(database) if database.is_sqlite else PostgresLimiter(database)


class SqliteLimiter:
    """The hits in `<database>-rates`; one connection a process, its threads in turn."""

    # Forget what has left the window, and what a clock that was set back left in the future.
    SWEEP = "DELETE FROM rate_hits WHERE bucket = ?1 AND (at <= ?2 - ?3 OR at > ?2 + ?3)"
    SWEEP_ALL = "DELETE FROM rate_hits WHERE at <= ?1 - ?2 OR at > ?1 + ?2"
    # The hit whose leaving frees the next place: the `limit`-th newest, if there are so many.
    OLDEST = "SELECT at FROM rate_hits WHERE bucket = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
    INSERT = "INSERT INTO rate_hits (bucket, at) VALUES (?, ?)"

    def __init__(self, database: Database) -> None:
        self._turn = threading.Lock()
        self._count = itertools.count(1)
        path = Path(f"{make_url(database.url).database}-rates")
        self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        with suppress(sqlite3.OperationalError):  # another process is just switching the new file
            self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        for statement in _schema(database):
            self._connection.execute(statement)

    def admit(self, bucket: str, limit: int, at: float) -> float | None:
        with self._turn:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                wait = self._admit(bucket, limit, at)
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._give_up(error)
                return None
        return wait

    def _give_up(self, error: sqlite3.Error) -> None:
        """Admit: the limit protects us, and must not be the reason why a call is lost."""
        log.warning("rate_limit_unavailable", error=str(error))
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _admit(self, bucket: str, limit: int, at: float) -> float | None:
        self._connection.execute(self.SWEEP, (bucket, at, WINDOW_SECONDS))
        full_since = self._connection.execute(self.OLDEST, (bucket, limit - 1)).fetchone()
        if full_since is not None:
            return _wait(full_since[0], at)
        self._connection.execute(self.INSERT, (bucket, at))
        if next(self._count) % SWEEP_EVERY == 0:
            self._connection.execute(self.SWEEP_ALL, (at, WINDOW_SECONDS))
        return None

    def close(self) -> None:
        self._connection.close()


class PostgresLimiter:
    """The hits in the operational database; a lock a bucket, because two transactions do not see each other's rows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._count = itertools.count(1)

    def admit(self, bucket: str, limit: int, at: float) -> float | None:
        with self._database.engine.begin() as connection:
            connection.execute(text("SET LOCAL synchronous_commit = off"))
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(bucket))))
            connection.execute(delete(RateHit).where(RateHit.bucket == bucket, _gone(at)))
            full_since = connection.scalar(self._oldest(bucket, limit))
            if full_since is not None:
                return _wait(float(full_since), at)
            connection.execute(insert(RateHit).values(bucket=bucket, at=at))
            if next(self._count) % SWEEP_EVERY == 0:
                connection.execute(delete(RateHit).where(_gone(at)))
        return None

    def close(self) -> None:
        return

    def _oldest(self, bucket: str, limit: int) -> Any:
        return select(RateHit.at).where(RateHit.bucket == bucket).order_by(RateHit.at.desc()).offset(limit - 1).limit(1)


def _gone(at: float) -> Any:
    return or_(RateHit.at <= at - WINDOW_SECONDS, RateHit.at > at + WINDOW_SECONDS)


def _wait(full_since: float, at: float) -> float:
    return max(full_since + WINDOW_SECONDS - at, 0.0)


def _schema(database: Database) -> list[str]:
    """The model's own table and index, made unless they are there."""
    table = RateHit.metadata.tables[RateHit.__tablename__]
    made: list[ExecutableDDLElement] = [
        CreateTable(table, if_not_exists=True),
        *(CreateIndex(index, if_not_exists=True) for index in table.indexes),
    ]
    return [str(one.compile(database.engine)) for one in made]
