"""What the warehouse is given: pending rows, one consistent state a call, and the directory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import delete, update

from bench import _year
from db import export, outbox
from db.engine import Database
from db.models import Call, Override, Result

AT = _year.NEW_YEAR


def seed(database: Database, count: int = 5) -> list[str]:
    with database.begin() as session:
        _year.store_directory(session)
        return _year.store(session, _year.states(count, seed=7))


def test_pending_names_each_call_once_and_only_until_it_is_marked(database: Database) -> None:
    ids = seed(database)
    with database.begin() as session:
        outbox.changed(session, ids[0], AT)
        pending = export.pending(session, 0, 100)
        assert list(pending.call_ids) == ids
        assert len(pending.rows) == 6
        export.mark_loaded(session, pending.without({ids[1]}), AT)
        assert export.pending(session, 0, 100).call_ids == (ids[1],)
        export.forget_loaded(session, AT + timedelta(days=1))
        assert export.pending(session, 0, 100).call_ids == (ids[1],)


def test_a_row_that_commits_late_with_a_smaller_number_is_still_pending(database: Database) -> None:
    ids = seed(database)
    with database.begin() as session:
        pending = export.pending(session, 0, 100)
        late, seen = pending.rows[0], replace(pending, rows=pending.rows[1:])
        export.mark_loaded(session, seen.without(()), AT)
        assert export.pending(session, 0, 100).rows == (late,)
        assert late[1] == ids[0]


def test_pending_comes_in_pages(database: Database) -> None:
    ids = seed(database)
    with database.read() as session:
        first = export.pending(session, 0, 3)
        second = export.pending(session, first.last, 3)
    assert [*first.call_ids, *second.call_ids] == ids
    assert export.Pending(()).last == 0


def test_the_state_is_what_was_stored(database: Database) -> None:
    ids = seed(database)
    made = {s["call"]["call_id"]: s for s in _year.states(5, seed=7)}
    with export.snapshot(database) as session:
        found = export.states(session, ids)
    assert [s["call"]["call_id"] for s in found] == sorted(ids)
    for state in found:
        original = made[state["call"]["call_id"]]
        assert state["call"].items() >= original["call"].items()
        assert state["transcript"] == original["transcript"]
        assert [r["content"] for r in state["results"]] == [r["content"] for r in original["results"]]
        assert state["deliveries"] == [{"call_id": state["call"]["call_id"], **d} | attempts(d) for d in original["deliveries"]]


def attempts(delivery: _year.State) -> _year.State:
    return {"attempts_made": [{"delivery_id": delivery["delivery_id"], **a} for a in delivery["attempts_made"]]}


def test_superseded_results_and_marks_and_words_stay_behind(database: Database) -> None:
    with database.begin() as session:
        _year.store_directory(session)
        (one,) = [s for s in _year.states(20, seed=7) if s["results"]][:1]
        one["transcript"]["utterances"][0]["words"] = [{"start": 0, "end": 1, "text": "да"}]
        (call_id,) = _year.store(session, [one])
        mark = {"call_id": call_id, "checklist_id": "sales", "stage_id": "needs", "reason": "", "author": "boss", "created_at": AT}
        session.add_all([Override(**mark, score=1, superseded_at=AT), Override(**mark, score=-1)])
        session.execute(update(Result).where(Result.kind == "table").values(superseded_at=AT))
    with export.snapshot(database) as session:
        (state,) = export.states(session, [call_id])
    assert [o["score"] for o in state["overrides"]] == [-1]
    assert [r["kind"] for r in state["results"]] == ["checklist"]
    assert "words" not in state["transcript"]["utterances"][0]


def test_only_ended_or_scored_calls_are_reportable(database: Database) -> None:
    ids = seed(database)
    with database.begin() as session:
        session.execute(update(Call).values(status="analysing"))
        session.execute(delete(Result).where(Result.call_id.in_(ids[1:])))
    with export.snapshot(database) as session:
        assert [s["call"]["call_id"] for s in export.states(session, ids)] == ids[:1]
        assert export.reportable_ids(session, "", 2) == (ids[0],)


def test_a_deleted_call_has_no_state(database: Database) -> None:
    ids = seed(database)
    with database.begin() as session:
        session.execute(delete(Call).where(Call.call_id == ids[0]))
    with export.snapshot(database) as session:
        assert len(export.states(session, ids)) == 4
        first = export.reportable_ids(session, "", 3)
        assert (*first, *export.reportable_ids(session, first[-1], 3)) == tuple(sorted(ids[1:]))


def test_the_directory_is_whole(database: Database) -> None:
    seed(database)
    with export.snapshot(database) as session:
        found = export.dimensions(session)
    assert {name: len(rows) for name, rows in found.items()} == {name: len(rows) for name, rows in _year.directory().items()}
