"""Judging anew while somebody else changes the same call."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from bench._house import CHECKLIST, House
from core import clock
from core.errors import NotFound
from core.settings import Settings
from db import calls, erasure, marks, results
from db.engine import Database
from tasks.rescore import Wanted, rescore_call
from tasks.runtime import Runtime

WHILE_SECONDS = 2.0  # the engine is warm: a call takes a third of one


@pytest.fixture
def runtime(settings: Settings, database: Database) -> Runtime:
    """One judged call, and an engine that has judged it once more."""
    house = House(settings, database)
    house.furnish()
    house.call("c1")
    made = Runtime(settings)
    made.database = database  # type: ignore[misc]
    assert rescore_call(made, "c1", Wanted(CHECKLIST, webhooks=False)) == 1
    return made


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def meanwhile(pool: ThreadPoolExecutor, runtime: Runtime) -> Future[int]:
    """Another judgement, which gets as far as it can before this returns."""
    other = pool.submit(rescore_call, runtime, "c1", Wanted(CHECKLIST, webhooks=False))
    wait([other], timeout=WHILE_SECONDS)
    return other


def revisions(runtime: Runtime) -> list[int]:
    with runtime.database.read() as session:
        return [row.revision for row in results.current(session, "c1", "checklist")]


def test_a_mark_stands_beside_a_new_judgement(runtime: Runtime, pool: ThreadPoolExecutor) -> None:
    with runtime.database.begin() as session:
        marks.add(session, "c1", CHECKLIST, "price", 1, "назвал", "head", clock.now())
        other = meanwhile(pool, runtime)
    assert other.result() == 1
    assert revisions(runtime) == [3]
    with runtime.database.read() as session:
        assert [mark.score for mark in marks.current(session, "c1")] == [1]


def test_a_mark_is_taken_back_beside_a_new_judgement(runtime: Runtime, pool: ThreadPoolExecutor) -> None:
    with runtime.database.begin() as session:
        marks.add(session, "c1", CHECKLIST, "price", 1, "назвал", "head", clock.now())
    with runtime.database.begin() as session:
        marks.withdraw(session, "c1", CHECKLIST, "price", "head", clock.now())
        other = meanwhile(pool, runtime)
    assert other.result() == 1
    assert revisions(runtime) == [3]


def test_what_was_said_does_not_come_back_after_its_erasure(runtime: Runtime, pool: ThreadPoolExecutor) -> None:
    with runtime.database.begin() as session:
        erasure.erase_texts(session, ["c1"], clock.now())
        other = meanwhile(pool, runtime)
    with pytest.raises(NotFound):
        other.result()
    assert revisions(runtime) == [2]
    with runtime.database.read() as session:
        assert calls.get(session, "c1").text_deleted_at
