"""Results of a call: one is current, whoever else stores one at the same moment."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime

import pytest

from core.errors import NotFound
from db import calls, results
from db.engine import Database

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CONTENT = {"stages": [{"stage_id": "greeting", "score": 1}]}


@pytest.fixture(autouse=True)
def call(database: Database) -> None:
    with database.begin() as session:
        calls.accept(session, calls.NewCall("call-1", "m", "d", "s", "https://crm.test/a.mp3", key_id=None), AT)


def judge(database: Database) -> int:
    with database.begin() as session:
        return results.save(session, "call-1", "checklist", "sales", "v1", CONTENT, AT).revision


def meanwhile(pool: ThreadPoolExecutor, database: Database) -> Future[int]:
    """Somebody else who stores a result; he gets as far as he can before this returns."""
    other = pool.submit(judge, database)
    wait([other], timeout=0.5)
    return other


@pytest.mark.parametrize("earlier", [0, 1])
def test_of_two_stored_at_once_the_later_one_supersedes(database: Database, earlier: int) -> None:
    for _ in range(earlier):
        judge(database)
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as session:
            first = results.save(session, "call-1", "checklist", "sales", "v1", CONTENT, AT)
            second = meanwhile(pool, database)
        assert (first.revision, second.result()) == (earlier + 1, earlier + 2)
    with database.read() as session:
        assert [row.revision for row in results.current(session, "call-1", "checklist")] == [earlier + 2]


def test_a_call_that_is_deleted_meanwhile_gets_no_result(database: Database) -> None:
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as session:
            calls.forget(session, "call-1", AT, "test")
            late = meanwhile(pool, database)
        with pytest.raises(NotFound):
            late.result()
