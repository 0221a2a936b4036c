"""Group commit: everybody's own result, nobody's success before the commit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from core.errors import Conflict
from db.engine import Database
from db.models import Lease, RateHit
from db.writer import Writer

AT = 1.0


def names(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(RateHit.bucket)))


def hit(name: str) -> Any:
    def job(session: Any) -> str:
        session.execute(insert(RateHit).values(bucket=name, at=AT))
        return name

    return job


def broken(session: Any) -> None:
    session.execute(insert(RateHit).values(bucket="broken", at=AT))
    session.execute(insert(Lease).values(name=None, token="", until=None))


def refused(_session: Any) -> None:
    raise Conflict


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    writer = Writer(database)
    yield writer
    writer.close()


def test_everybody_gets_his_own_result(writer: Writer, database: Database) -> None:
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda i: writer.submit(hit(f"n{i}")).result(), range(100)))
    assert found == [f"n{i}" for i in range(100)]
    assert names(database) == set(found)


def test_a_refusal_and_a_failure_cost_the_others_nothing(writer: Writer, database: Database) -> None:
    hold = threading.Event()
    blocker = writer.submit(lambda _session: hold.wait(5))
    jobs = [hit("a"), refused, hit("b"), broken, hit("c")]
    futures = [writer.submit(job) for job in jobs]
    hold.set()
    wait([blocker, *futures])
    assert [f.exception() for f in futures[::2]] == [None, None, None]
    assert isinstance(futures[1].exception(), Conflict)
    assert isinstance(futures[3].exception(), IntegrityError)
    assert names(database) == {"a", "b", "c"}


def test_what_waits_together_is_committed_together_on_sqlite(database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL groups commits itself")
    commits = []
    event.listen(database.engine, "commit", lambda _connection: commits.append(1))
    writer, hold = Writer(database), threading.Event()
    futures = [writer.submit(lambda _session: hold.wait(5)), *(writer.submit(hit(f"n{i}")) for i in range(50))]
    hold.set()
    wait(futures)
    writer.close()
    assert len(commits) <= 2


def test_who_gave_up_waiting_disturbs_nobody(writer: Writer, database: Database) -> None:
    inside, hold = threading.Event(), threading.Event()

    def block(_session: Session) -> None:
        inside.set()
        hold.wait(5)

    blockers = [writer.submit(block) for _ in range(8)]
    assert inside.wait(5)
    given_up, kept = writer.submit(hit("given up")), writer.submit(hit("kept"))
    assert given_up.cancel()
    hold.set()
    wait([*blockers, kept])
    assert names(database) == {"kept"}


def test_a_database_that_is_down_fails_everybody_at_once(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.sqlite'}")
    writer, hold = Writer(database), threading.Event()
    futures = [writer.submit(lambda _session: hold.wait(5)), *(writer.submit(hit(f"n{i}")) for i in range(10))]
    hold.set()
    wait(futures)
    writer.close()
    assert {type(f.exception()) for f in futures[1:]} == {OperationalError}


def test_close_finishes_what_waits(database: Database) -> None:
    writer = Writer(database)
    futures = [writer.submit(hit(f"n{i}")) for i in range(200)]
    writer.close()
    assert all(f.done() for f in futures)
    assert len(names(database)) == 200
