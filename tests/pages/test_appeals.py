"""Marks with their way back, and objections with their answers, on both databases."""

from __future__ import annotations

import pytest

from bench._house import CHECKLIST, House
from core import clock
from core.errors import NotFound
from db import appeals, marks, overview
from db.overview import CallFilter

NOW = clock.now()


@pytest.fixture
def judged(both: House) -> House:
    both.call("c1", passed=["greeting"])
    return both


def completion(house: House) -> float:
    with house.database.read() as session:
        return overview.page(session, CallFilter(), 1).lines[0].scores[0].completion


def test_taking_a_mark_back_brings_the_one_before_it_into_force(judged: House) -> None:
    with judged.database.begin() as session:
        for score, reason in ((1, "был"), (0, "не нужен")):
            marks.add(session, "c1", CHECKLIST, "price", score, reason, "head", NOW)
    with judged.database.begin() as session:
        marks.withdraw(session, "c1", CHECKLIST, "price", "head", NOW)
        assert [mark.score for mark in marks.current(session, "c1")] == [1]
        marks.withdraw(session, "c1", CHECKLIST, "price", "head", NOW)
        assert marks.current(session, "c1") == []
        marks.withdraw(session, "c1", CHECKLIST, "price", "head", NOW)
    assert completion(judged) == 12.5


def test_an_accepted_appeal_puts_the_mark(judged: House) -> None:
    with judged.database.begin() as session:
        asked = appeals.add(session, "c1", CHECKLIST, "price", "цену назвал", "manager", NOW)
        assert appeals.waiting(session) == appeals.waiting(session, "mgr_001") == 1
        assert appeals.waiting(session, "mgr_002") == 0
    with judged.database.begin() as session:
        appeals.answer(session, asked.appeal_id, True, "согласен", "head", NOW, 1)
        assert [(mark.stage_id, mark.score) for mark in marks.current(session, "c1")] == [("price", 1)]
        assert appeals.waiting(session) == 0
    assert completion(judged) == 25.0


def test_a_declined_appeal_changes_no_score_and_is_answered_once(judged: House) -> None:
    with judged.database.begin() as session:
        asked = appeals.add(session, "c1", CHECKLIST, "price", "цену назвал", "manager", NOW)
        appeals.answer(session, asked.appeal_id, False, "не слышно", "head", NOW)
        assert marks.current(session, "c1") == []
        with pytest.raises(NotFound):
            appeals.answer(session, asked.appeal_id, True, "передумал", "head", NOW, 1)
        assert [(one.accepted, one.answer) for one in appeals.of_call(session, "c1")] == [(False, "не слышно")]


def test_one_objection_a_stage_waits_at_a_time(judged: House) -> None:
    with judged.database.begin() as session:
        appeals.add(session, "c1", CHECKLIST, "price", "раз", "manager", NOW)
        with pytest.raises(appeals.AppealWaits):
            appeals.add(session, "c1", CHECKLIST, "price", "два", "manager", NOW)
        with pytest.raises(NotFound):
            appeals.add(session, "c1", CHECKLIST, "no-such-stage", "три", "manager", NOW)
