"""Named leases: one holder, taken over only after silence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from db import leases
from db.engine import Database

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_a_lease_has_one_holder_until_it_is_released(database: Database) -> None:
    with database.begin() as session:
        first = leases.acquire(session, "loader", 60, AT)
        assert first
        assert leases.acquire(session, "loader", 60, AT) is None
        assert leases.acquire(session, "other", 60, AT)
        leases.release(session, "loader", first)
        assert leases.acquire(session, "loader", 60, AT)


def test_a_silent_holder_loses_the_lease_and_learns_it(database: Database) -> None:
    with database.begin() as session:
        first = leases.acquire(session, "loader", 60, AT)
        assert first
        assert leases.renew(session, "loader", first, 60, AT + timedelta(seconds=50))
        assert leases.acquire(session, "loader", 60, AT + timedelta(seconds=100)) is None
        second = leases.acquire(session, "loader", 60, AT + timedelta(seconds=111))
        assert second
        assert not leases.renew(session, "loader", first, 60, AT + timedelta(seconds=112))
        leases.release(session, "loader", first)
        assert leases.renew(session, "loader", second, 60, AT + timedelta(seconds=112))


def test_of_many_simultaneous_takers_one_gets_it(database: Database) -> None:
    def take(_: int) -> str | None:
        with database.begin() as session:
            return leases.acquire(session, "loader", 60, AT)

    with ThreadPoolExecutor(8) as pool:
        tokens = [token for token in pool.map(take, range(16)) if token]
    assert len(tokens) == 1
