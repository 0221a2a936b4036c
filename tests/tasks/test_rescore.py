"""Judging anew: once a run, and while somebody else changes the same call."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from bench._house import CHECKLIST, House
from core import clock
from core.errors import BadAudio, NotFound, Unavailable
from core.settings import Settings
from db import calls, erasure, marks, results, speakers
from db.definitions import kind_of
from db.engine import Database
from tasks.publish import Judgement
from tasks.rescore import NotJudged, judge_call, refuse_failures, store_results, work_left
from tasks.runtime import Runtime

WHILE_SECONDS = 2.0  # the engine is warm: a call takes a third of one


@pytest.fixture
def runtime(settings: Settings, database: Database) -> Runtime:
    """One judged call, and an engine that has judged it once more."""
    house = House(settings, database)
    house.furnish()
    house.call("c1")
    made = Runtime(settings)
    made.database = database
    rescored(made, "first")
    return made


def rescored(runtime: Runtime, run: str) -> None:
    """As a run does, without webhooks."""
    asked = [(kind_of(d), d.id, d.version) for d in work_left(runtime, "c1", CHECKLIST, run).asked]
    judged = [Judgement(*one, content=judge_call(runtime, "c1", *one)) for one in asked]
    store_results(runtime, "c1", judged, run, webhooks=False)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def meanwhile(pool: ThreadPoolExecutor, runtime: Runtime) -> Future[None]:
    """Another judgement, which gets as far as it can before this returns."""
    other = pool.submit(rescored, runtime, "another")
    wait([other], timeout=WHILE_SECONDS)
    return other


def revisions(runtime: Runtime) -> list[int]:
    with runtime.database.read() as session:
        return [row.revision for row in results.current(session, "c1", "checklist")]


def test_a_mark_stands_beside_a_new_judgement(runtime: Runtime, pool: ThreadPoolExecutor) -> None:
    with runtime.database.begin() as session:
        marks.add(session, "c1", CHECKLIST, "price", 1, "назвал", "head", clock.now())
        other = meanwhile(pool, runtime)
    other.result()
    assert revisions(runtime) == [3]
    with runtime.database.read() as session:
        assert [mark.score for mark in marks.current(session, "c1")] == [1]


def test_a_mark_is_taken_back_beside_a_new_judgement(runtime: Runtime, pool: ThreadPoolExecutor) -> None:
    with runtime.database.begin() as session:
        marks.add(session, "c1", CHECKLIST, "price", 1, "назвал", "head", clock.now())
    with runtime.database.begin() as session:
        marks.withdraw(session, "c1", CHECKLIST, "price", "head", clock.now())
        other = meanwhile(pool, runtime)
    other.result()
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


def test_a_run_stores_a_result_once_and_knows_it(runtime: Runtime) -> None:
    work = work_left(runtime, "c1", CHECKLIST, "first")
    assert (work.asked, work.stored) == ([], 1)
    (definition,) = work_left(runtime, "c1", CHECKLIST, "second").asked
    one = (kind_of(definition), definition.id, definition.version)
    judged = [Judgement(*one, content=judge_call(runtime, "c1", *one))]
    for _ in range(2):  # the first answer of the database was lost, say
        store_results(runtime, "c1", judged, "second", webhooks=False)
    assert revisions(runtime) == [3]


def test_speakers_that_were_swapped_make_another_transcript(runtime: Runtime) -> None:
    heard = []
    for _ in range(3):
        heard.append(work_left(runtime, "c1", CHECKLIST, "second").heard)
        with runtime.database.begin() as session:
            speakers.swap(session, "c1", "head", clock.now())
    assert heard[0] == heard[2] != heard[1]


def test_failures_are_told_with_their_reasons() -> None:
    judged = [Judgement("checklist", "a", "1", error=BadAudio()), Judgement("table", "b", "1", content={})]
    refuse_failures(judged[1:])
    with pytest.raises(NotJudged, match="a: The file is not") as raised:
        refuse_failures([*judged, Judgement("table", "c", "1", error=Unavailable())])
    assert raised.value.text("ru").endswith("a: Файл не является аудио MP3, WAV или OGG.; c: Сервис временно недоступен, повторите позже.")
