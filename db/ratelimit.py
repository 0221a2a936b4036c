"""An exact moving window, shared by every process on one database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, event, func, insert, or_, select, text

from db.engine import Database
from db.models import RateHit

WINDOW_SECONDS = 60.0


class Limiter:
    """Admits at most `limit` requests of a bucket in any 60 seconds.

    Hits need no durability, so they never wait for the disk: on SQLite they have a connection of their own, on PostgreSQL
    their commit is asynchronous.
    """

    def __init__(self, database: Database) -> None:
        self._owned = Database(database.url) if database.is_sqlite else None
        self._database = self._owned or database
        if self._owned is not None:
            event.listen(self._owned.engine, "connect", _do_not_wait_for_the_disk)

    def admit(self, bucket: str, limit: int, at: float) -> float | None:
        """None when the request at `at` (seconds since 1970) is admitted and counted, else seconds until one would be."""
        with self._database.begin() as session:
            connection = session.connection()
            if self._owned is None:
                _lock(connection, bucket)
            _sweep(connection, bucket, at)
            full_since = connection.scalar(_oldest_that_counts(bucket, limit))
            if full_since is not None:
                return max(float(full_since) + WINDOW_SECONDS - at, 0.0)
            connection.execute(insert(RateHit).values(bucket=bucket, at=at))
        return None

    def close(self) -> None:
        if self._owned is not None:
            self._owned.dispose()


def _do_not_wait_for_the_disk(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")


def _lock(connection: Connection, bucket: str) -> None:
    connection.execute(text("SET LOCAL synchronous_commit = off"))
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(bucket))))


def _sweep(connection: Connection, bucket: str, at: float) -> None:
    """Forget what has left the window, and what a clock that was set back left in the future."""
    gone = or_(RateHit.at <= at - WINDOW_SECONDS, RateHit.at > at + WINDOW_SECONDS)
    connection.execute(delete(RateHit).where(RateHit.bucket == bucket, gone))


def _oldest_that_counts(bucket: str, limit: int) -> Any:
    """The hit whose leaving frees the next place: the `limit`-th newest, if there are so many."""
    return select(RateHit.at).where(RateHit.bucket == bucket).order_by(RateHit.at.desc(), RateHit.hit_id.desc()).offset(limit - 1).limit(1)
