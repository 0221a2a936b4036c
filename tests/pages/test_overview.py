"""The list of calls: every filter, page by page, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bench._house import CHECKLIST, STAGES, TALK, House
from core import clock
from db import calls, directory, marks, overview, results
from db.directory import OfficeInput
from db.overview import CallFilter, Cursor

NOW = clock.now().replace(microsecond=0)
HALF = STAGES[:4]


@pytest.fixture
def filled(both: House) -> House:
    """Six calls: old to new, good and bad, by two managers of two offices."""
    both.call("c1", "mgr_001", NOW - timedelta(days=40), deal_stage_id="new", deal_id="d-1")
    both.call("c2", "mgr_004", NOW - timedelta(days=3), passed=HALF, deal_stage_id="new")
    both.call("c3", "mgr_001", NOW - timedelta(days=2), passed=(), said=(*TALK, "К: Ещё нужна рассрочка."))
    both.fail("c4", manager="mgr_004", at=NOW - timedelta(days=1))
    both.silent("c5", at=NOW - timedelta(hours=2))
    both.accept("c6", at=NOW - timedelta(hours=1))
    return both


def found(house: House, **wanted: object) -> list[str]:
    with house.database.read() as session:
        page = overview.page(session, CallFilter(**wanted), 50)  # type: ignore[arg-type]
        assert overview.count(session, CallFilter(**wanted)) == len(page.lines)  # type: ignore[arg-type]
        return [line.call_id for line in page.lines]


def test_calls_come_newest_first_by_the_time_they_took_place(filled: House) -> None:
    assert found(filled) == ["c6", "c5", "c4", "c3", "c2", "c1"]


CASES: tuple[tuple[dict[str, object], list[str]], ...] = (
    ({"since": NOW - timedelta(days=2, hours=1), "until": NOW - timedelta(hours=3)}, ["c4", "c3"]),
    ({"manager": "mgr_004"}, ["c4", "c2"]),
    ({"office": "office_002"}, ["c4", "c2"]),
    ({"stage": "new"}, ["c2", "c1"]),
    ({"status": "queued"}, ["c6"]),
    ({"status": "failed"}, ["c4"]),
    ({"status": "no_speech"}, ["c5"]),
    ({"checklist": CHECKLIST}, ["c3", "c2", "c1"]),
    ({"low": 50.0}, ["c2", "c1"]),
    ({"high": 49.9}, ["c3"]),
    ({"low": 1.0, "high": 99.0, "manager": "mgr_004"}, ["c2"]),
    ({"words": "рассрочку"}, ["c3"]),
    ({"words": "еще рассрочка"}, ["c3"]),
    ({"words": "ЗАЯВКА тетрадь", "low": 60.0}, ["c1"]),
    ({"words": "d-1"}, ["c1"]),
    ({"words": "c2"}, ["c2"]),
    ({"words": '" OR * NEAR('}, []),
    ({"words": "никогданебыло"}, []),
    ({"own": "mgr_004"}, ["c4", "c2"]),
    ({"own": "mgr_004", "manager": "mgr_001"}, []),
)


def test_every_filter_keeps_what_it_names(filled: House) -> None:
    for wanted, ids in CASES:
        assert found(filled, **wanted) == ids, wanted


def test_pages_follow_each_other_in_both_directions_without_gaps(filled: House) -> None:
    seen, place = [], None
    with filled.database.read() as session:
        while True:
            page = overview.page(session, CallFilter(), 2, place)
            seen += [line.call_id for line in page.lines]
            assert page.newer == (place is not None)
            place = Cursor(page.lines[-1].at, page.lines[-1].call_id)
            if not page.older:
                break
        back = overview.page(session, CallFilter(), 2, Cursor(page.lines[0].at, page.lines[0].call_id), "newer")
    assert seen == ["c6", "c5", "c4", "c3", "c2", "c1"]
    assert ([line.call_id for line in back.lines], back.newer, back.older) == (["c4", "c3"], True, True)


def test_calls_of_the_same_second_are_neither_lost_nor_repeated(both: House) -> None:
    for number in range(5):
        both.accept(f"same-{number}", at=NOW)
    seen, place = [], None
    with both.database.read() as session:
        for _ in range(5):
            (line,) = overview.page(session, CallFilter(), 1, place).lines
            seen.append(line.call_id)
            place = Cursor(line.at, line.call_id)
    assert sorted(seen) == [f"same-{number}" for number in range(5)]


def test_a_call_belongs_to_the_office_of_its_own_time(filled: House) -> None:
    with filled.database.begin() as session:
        directory.sync_offices(session, [OfficeInput("office_002", "Север", [], ["mgr_005"])], NOW - timedelta(days=2))
    assert found(filled, office="office_002") == ["c2"]


def test_a_line_tells_who_when_and_how_good(filled: House) -> None:
    with filled.database.read() as session:
        lines = {line.call_id: line for line in overview.page(session, CallFilter(), 10).lines}
    assert (lines["c2"].manager, lines["c2"].status, lines["c2"].stage) == ("Васильев Дмитрий", "done", "new")
    assert [(score.name, score.completion) for score in lines["c2"].scores] == [("Базовый скрипт продаж", 50.0)]
    assert lines["c4"].reason is not None
    assert lines["c6"].scores == ()


def test_the_score_that_is_filtered_follows_marks_and_new_results(filled: House) -> None:
    with filled.database.begin() as session:
        marks.add(session, "c3", CHECKLIST, "greeting", 1, "поздоровался", "head", NOW)
    assert found(filled, low=12.0, high=13.0) == ["c3"]
    with filled.database.begin() as session:
        marks.withdraw(session, "c3", CHECKLIST, "greeting", "head", NOW)
    assert found(filled, high=0.0) == ["c3"]
    with filled.database.begin() as session:
        results.save(session, "c3", "checklist", CHECKLIST, "v", {"code": "x", "ru": "нет", "en": "no"}, NOW, "failed")
    assert found(filled, high=0.0) == []


def test_marks_of_not_applicable_change_what_counts(filled: House) -> None:
    with filled.database.begin() as session:
        for stage in STAGES[4:]:
            marks.add(session, "c2", CHECKLIST, stage, 0, "не нужен", "head", NOW)
    assert found(filled, low=100.0, manager="mgr_004") == ["c2"]


def test_a_deleted_call_is_found_by_nothing(filled: House) -> None:
    with filled.database.begin() as session:
        calls.forget(session, "c3", NOW, "admin")
    assert found(filled, words="рассрочку") == []
    assert found(filled, high=10.0) == []


def test_a_period_counts_states_and_the_mean(filled: House) -> None:
    with filled.database.read() as session:
        week = overview.period(session, CallFilter(since=NOW - timedelta(days=7), until=NOW))
        own = overview.period(session, CallFilter(since=NOW - timedelta(days=7), until=NOW, own="mgr_004"))
    assert (week.calls, week.by_status["done"], week.scored, week.mean) == (5, 2, 2, 25.0)
    assert (own.calls, own.mean) == (2, 50.0)


def test_what_needs_attention_is_counted(filled: House) -> None:
    with filled.database.read() as session:
        now = overview.attention(session, NOW - timedelta(days=7))
    assert (now.waiting, now.running, now.failed, now.dead) == (1, 0, 1, 0)
    assert now.oldest is not None
