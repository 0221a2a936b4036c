"""The rate limit: an exact moving window, also between processes."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from db import ratelimit
from db.engine import Database
from db.models import RateHit
from db.ratelimit import Limiter

START = 1_800_000_000.0


@pytest.fixture
def limiter(database: Database) -> Iterator[Limiter]:
    limiter = ratelimit.limiter(database)
    yield limiter
    limiter.close()


def test_exactly_the_limit_is_admitted(limiter: Limiter) -> None:
    answers = [limiter.admit("k", 60, START + i * 0.01) for i in range(100)]
    assert [a is None for a in answers] == [True] * 60 + [False] * 40


def test_the_window_moves(limiter: Limiter) -> None:
    assert all(limiter.admit("k", 3, START + i) is None for i in range(3))
    assert limiter.admit("k", 3, START + 59.5) == pytest.approx(0.5)
    assert limiter.admit("k", 3, START + 60) is None
    assert limiter.admit("k", 3, START + 60.2) == pytest.approx(0.8)
    assert limiter.admit("k", 3, START + 61) is None


def test_no_window_of_a_minute_holds_more_than_the_limit(limiter: Limiter) -> None:
    admitted = [at for at in (START + i * 0.7 for i in range(400)) if limiter.admit("k", 10, at) is None]
    assert len(admitted) >= 40
    assert all(later - earlier >= 60 for earlier, later in zip(admitted, admitted[10:], strict=False))


def test_buckets_are_independent(limiter: Limiter) -> None:
    assert limiter.admit("a", 1, START) is None
    assert limiter.admit("b", 1, START) is None
    assert limiter.admit("a", 1, START + 1) is not None
    assert limiter.admit("a", 1, START + 61) is None
    assert limiter.admit("b", 1, START + 61) is None


def test_a_second_limiter_sees_the_hits_of_the_first(limiter: Limiter, database: Database) -> None:
    assert limiter.admit("k", 1, START) is None
    other = ratelimit.limiter(database)
    assert other.admit("k", 1, START + 1) == pytest.approx(59)
    other.close()


def test_buckets_of_those_who_left_are_swept(limiter: Limiter, database: Database) -> None:
    for number in range(ratelimit.SWEEP_EVERY - 1):
        limiter.admit(f"gone{number}", 1, START)
    limiter.admit("k", 1, START + 60)
    if database.is_sqlite:
        path = f"{database.engine.url.database}-rates"
        left = sqlite3.connect(path).execute("SELECT count(*) FROM rate_hits").fetchone()[0]
    else:
        with database.read() as session:
            left = session.scalar(select(func.count()).select_from(RateHit))
    assert left == 1


def test_a_clock_that_was_set_back_locks_nobody_out(limiter: Limiter) -> None:
    assert limiter.admit("k", 1, START + 3600) is None
    assert limiter.admit("k", 1, START) is None


def test_threads_share_the_limit(limiter: Limiter) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: limiter.admit("k", 60, START + i * 0.001), range(200)))
    assert sum(a is None for a in answers) == 60


def test_a_limit_that_cannot_be_counted_admits(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'rop.sqlite'}")
    limiter = ratelimit.limiter(database)
    other = sqlite3.connect(tmp_path / "rop.sqlite-rates")
    other.execute("DROP TABLE rate_hits")
    assert [limiter.admit("k", 1, START) for _ in range(3)] == [None] * 3
    limiter.close()


def _hits(url: str, count: int) -> int:
    database = Database(url)
    limiter = ratelimit.limiter(database)
    return sum(limiter.admit("k", 60, START + i * 0.001) is None for i in range(count))


@pytest.mark.slow
def test_processes_share_the_limit(database: Database) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        admitted = list(pool.map(_hits, [url] * 3, [100] * 3))
    assert sum(admitted) == 60
