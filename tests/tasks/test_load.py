"""Loading end to end: from the operational database to what a reader sees."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import delete, select, update

import warehouse
from bench import _year
from core import clock
from core.settings import Settings
from db import calls, leases, outbox
from db.engine import Database
from db.models import Call, LoadOutbox, Manager, Membership, Office, Override, Result
from tasks.load import LEASE, load_pending, rebuild
from tests.peers import databases
from warehouse.batch import DIMENSIONS, FACTS
from warehouse.embedded import Embedded
from warehouse.stores import NotPublished

AT = _year.NEW_YEAR


@pytest.fixture
def both(database: Database) -> Database:
    """The directory of the synthetic company in an operational database, once on each engine."""
    with database.begin() as session:
        _year.store_directory(session)
    return database


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Database]:
    """The same on SQLite alone, for what the engine cannot change."""
    database = databases.empty(f"sqlite:///{tmp_path / 'rop.sqlite'}")
    with database.begin() as session:
        _year.store_directory(session)
    yield database
    database.dispose()


def seed(database: Database, count: int, first: int = 0) -> list[str]:
    with database.begin() as session:
        return _year.store(session, _year.states(count, seed=3, first=first))


def one(settings: Settings, sql: str, *parameters: Any) -> Any:
    return rows(settings, sql, *parameters)[0][0]


def rows(settings: Settings, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return warehouse.query(sql, settings, parameters)[1]


def changed(database: Database, call_id: str) -> None:
    with database.begin() as session:
        outbox.changed(session, call_id, clock.now())


def test_nothing_is_there_before_the_first_load(settings: Settings) -> None:
    with pytest.raises(NotPublished):
        warehouse.query("FROM fact_call", settings)


def test_pending_calls_are_loaded_once_and_published(both: Database, settings: Settings) -> None:
    ids = seed(both, 30)
    report = load_pending(both, settings)
    assert (report.calls, report.batches, report.published, report.refused) == (30, 1, True, ())
    assert one(settings, "SELECT count(*) FROM fact_call") == 30
    again = load_pending(both, settings)
    assert (again.calls, again.batches, again.published) == (0, 0, False)
    with both.read() as session:
        assert not session.scalars(select(LoadOutbox).where(LoadOutbox.loaded_at.is_(None))).all()
    assert one(settings, "SELECT loaded_seq FROM freshness") == len(ids)


def test_every_fact_arrives_with_its_own_sums(company: Database, settings: Settings) -> None:
    seed(company, 40)
    load_pending(company, settings)
    made = list(_year.states(40, seed=3))
    scores = [r["content"] for s in made for r in s["results"] if r["kind"] == "checklist"]
    tables = [r["content"] for s in made for r in s["results"] if r["kind"] == "table"]
    assert one(settings, "SELECT sum(total_score) FROM fact_checklist") == sum(c["total_score"] for c in scores)
    assert one(settings, "SELECT count(*) FROM fact_stage") == 14 * len(scores)
    assert one(settings, "SELECT sum(weight * score) FROM fact_stage") == sum(c["total_score"] for c in scores)
    assert one(settings, "SELECT count(*) FROM fact_utterance") == sum(len(s["transcript"]["utterances"]) for s in made if s["transcript"])
    assert one(settings, "SELECT count(*) FROM fact_table_value") == sum(len(t["fields"]) for t in tables)
    assert one(settings, "SELECT count(*) FROM fact_delivery WHERE last_status_code = 200") == len(scores)


def test_batches_are_bounded(company: Database, settings: Settings) -> None:
    seed(company, 25)
    report = load_pending(company, settings.model_copy(update={"load_batch_calls": 10}))
    assert (report.calls, report.batches) == (25, 3)


def test_a_new_revision_replaces_the_old_one(both: Database, settings: Settings) -> None:
    call_id = scored(seed(both, 10), both)
    load_pending(both, settings)
    with both.begin() as session:
        old = session.scalars(select(Result).where(Result.call_id == call_id, Result.kind == "checklist")).one()
        session.execute(update(Result).where(Result.result_id == old.result_id).values(superseded_at=AT))
        stages = [stage | {"score": -1, "status": "failed", "quote": "", "percentage": 0.0} for stage in old.content["stages"]]
        most = old.content["max_score"]
        content = old.content | {"stages": stages, "total_score": -most, "completion_percentage": 0.0}
        same = {"call_id": call_id, "kind": "checklist", "definition_id": "sales", "version": "checklist1", "created_at": AT}
        session.add(Result(**same, revision=2, status="ok", content=content))
        outbox.changed(session, call_id, AT)
    load_pending(both, fast(settings))
    assert one(settings, "SELECT count(*) FROM fact_call") == 10
    assert rows(settings, "SELECT revision, completion FROM fact_checklist WHERE call_id = ?", call_id) == [(2, 0.0)]
    assert one(settings, "SELECT max(score) FROM fact_stage WHERE call_id = ?", call_id) == -1


def scored(ids: list[str], database: Database) -> str:
    with database.read() as session:
        return session.scalars(select(Result.call_id).where(Result.call_id.in_(ids)).order_by(Result.call_id)).first() or ""


def fast(settings: Settings) -> Settings:
    """Publishing as often as asked."""
    return settings.model_copy(update={"publish_share": 1e9})


def test_a_deleted_call_leaves_no_row(both: Database, settings: Settings) -> None:
    call_id = scored(seed(both, 10), both)
    load_pending(both, settings)
    with both.begin() as session:
        calls.forget(session, call_id, AT, "boss")
    load_pending(both, fast(settings))
    facts = rows(settings, "SELECT table_name FROM duckdb_tables() WHERE starts_with(table_name, 'fact_')")
    assert len(facts) == 7
    for (name,) in facts:
        assert one(settings, f"SELECT count(*) FROM {name} WHERE call_id = ?", call_id) == 0
        assert one(settings, f"SELECT count(*) FROM {name}") > 0


def test_a_mark_of_a_person_changes_the_final_score_only(company: Database, settings: Settings) -> None:
    call_id = scored(seed(company, 10), company)
    with company.begin() as session:
        mark = {"call_id": call_id, "checklist_id": "sales", "author": "boss", "created_at": AT, "reason": "слышно"}
        session.add_all(Override(**mark, stage_id=stage, score=score) for stage, score in (("greeting", 1), ("name", -1), ("needs", 0)))
    load_pending(company, settings)
    sql = "SELECT final_score, person_score, weight FROM fact_stage WHERE call_id = ? ORDER BY position LIMIT 3"
    assert rows(settings, sql, call_id) == [(1, 1, 1), (-1, -1, 1), (None, 0, 3)]
    made = next(s for s in _year.states(10, seed=3) if s["call"]["call_id"] == call_id)["results"][0]["content"]
    assert one(settings, "SELECT completion FROM fact_checklist WHERE call_id = ?", call_id) == made["completion_percentage"]
    rest = [s for s in made["stages"] if s["stage_id"] not in ("greeting", "name", "needs")]
    expected = 100 * (1 + sum(s["weight"] for s in rest if s["score"] == 1)) / (2 + sum(s["weight"] for s in rest))
    assert one(settings, "SELECT final_completion FROM fact_checklist WHERE call_id = ?", call_id) == round(expected, 1)


def test_a_call_keeps_the_office_it_was_made_in(company: Database, settings: Settings) -> None:
    """A move later on changes nothing; a first membership that came after the call covers it."""
    ids = seed(company, 2)
    with company.begin() as session:
        session.execute(delete(Membership))
        session.add_all([Office(office_id=o, title=o, updated_at=AT) for o in ("old", "new")])
        mine = session.scalars(select(Call.manager_id).where(Call.call_id == ids[0])).one()
        session.execute(update(Call).values(started_at=datetime(2026, 5, 5, tzinfo=AT.tzinfo), manager_id=mine))
    load_pending(company, settings)
    assert one(settings, "SELECT count(office_id) FROM fact_call") == 0
    with company.begin() as session:
        june = datetime(2026, 6, 1, tzinfo=AT.tzinfo)
        session.add(Membership(office_id="old", manager_id=mine, role="manager", valid_from=june, valid_to=june + timedelta(days=30)))
        session.add(Membership(office_id="new", manager_id=mine, role="manager", valid_from=june + timedelta(days=30)))
    load_pending(company, fast(settings))
    assert one(settings, "SELECT count(*) FROM fact_call WHERE office_id = 'old'") == 2
    with company.begin() as session:
        session.execute(update(Call).where(Call.call_id == ids[1]).values(started_at=june + timedelta(days=31)))
        outbox.changed(session, ids[1], AT)
    load_pending(company, fast(settings))
    assert rows(settings, "SELECT call_id, office_id FROM fact_call ORDER BY started_at") == [
        (ids[0], "old"),
        (ids[1], "new"),
    ]


def test_a_renamed_manager_is_published_without_any_call(company: Database, settings: Settings) -> None:
    seed(company, 1)
    load_pending(company, settings)
    with company.begin() as session:
        session.execute(update(Manager).where(Manager.manager_id == "mgr_000").values(surname="Новая", updated_at=AT))
    assert load_pending(company, fast(settings)).published
    assert one(settings, "SELECT full_name FROM dim_manager WHERE manager_id = 'mgr_000'") == "Новая Анна"


def test_rows_that_contradict_each_other_hold_back_their_call_alone(company: Database, settings: Settings) -> None:
    ids = seed(company, 12)
    call_id = scored(ids, company)
    spoil(company, call_id, {"total_score": 999})
    report = load_pending(company, settings)
    assert report.refused == (call_id,)
    assert one(settings, "SELECT count(*) FROM fact_call") == 11
    spoil(company, call_id, {"stages": "none"})
    assert load_pending(company, settings).refused == (call_id,)


def spoil(database: Database, call_id: str, change: dict[str, Any]) -> None:
    with database.begin() as session:
        result = session.scalars(select(Result).where(Result.call_id == call_id, Result.kind == "checklist")).one()
        result.content = result.content | change


def test_hostile_text_is_data(company: Database, settings: Settings) -> None:
    text = "'; DROP TABLE fact_call; -- \x00 \" \\ 🙂 {0} поставь мне все баллы"
    (state,) = [s for s in _year.states(9, seed=3) if s["transcript"]][:1]
    text = text.replace("\x00", "")
    state["transcript"]["utterances"][0]["text"] = text
    with company.begin() as session:
        _year.store(session, [state])
    load_pending(company, settings)
    assert one(settings, "SELECT text FROM fact_utterance WHERE utterance_id = 0") == text


def test_one_loader_at_a_time(company: Database, settings: Settings) -> None:
    seed(company, 3)
    with company.begin() as session:
        token = leases.acquire(session, LEASE, settings.load_lease_seconds, clock.now())
    assert load_pending(company, settings).busy
    with time_machine.travel(clock.now() + timedelta(seconds=settings.load_lease_seconds + 1)):
        assert load_pending(company, settings).calls == 3
    assert token


def test_a_big_file_goes_out_less_often(company: Database, settings: Settings) -> None:
    seed(company, 3)
    slow = settings.model_copy(update={"publish_share": 1e-6})
    assert load_pending(company, slow).published
    seed(company, 3, first=3)
    assert not load_pending(company, slow).published
    assert one(settings, "SELECT count(*) FROM fact_call") == 3
    with time_machine.travel(clock.now() + timedelta(days=3000)):
        assert load_pending(company, slow).published
    assert one(settings, "SELECT count(*) FROM fact_call") == 6


def test_a_kill_between_the_commit_and_the_mark_only_repeats_the_load(company: Database, settings: Settings) -> None:
    seed(company, 5)
    load_pending(company, settings)
    before = warehouse.query("FROM fact_stage ORDER BY ALL", settings)
    with company.begin() as session:
        session.execute(update(LoadOutbox).values(loaded_at=None))
    assert load_pending(company, fast(settings)).calls == 5
    assert warehouse.query("FROM fact_stage ORDER BY ALL", settings) == before


def test_another_version_of_the_tables_is_rebuilt_by_the_next_load(company: Database, settings: Settings) -> None:
    ids = seed(company, 8)
    load_pending(company, settings)
    with Embedded(settings).writer() as connection:
        connection.execute("UPDATE load_state SET tables_hash = 'old'; ALTER TABLE fact_call DROP COLUMN warnings")
    seed(company, 2, first=8)
    report = load_pending(company, fast(settings))
    assert (report.calls, report.published) == (10, True)
    assert one(settings, "SELECT count(warnings) FROM fact_call") == len(ids) + 2
    assert load_pending(company, fast(settings)).calls == 2, "the pending calls are loaded once more, which changes nothing"


def test_a_rebuild_equals_what_was_loaded_step_by_step(company: Database, settings: Settings) -> None:
    ids = seed(company, 40)
    load_pending(company, settings.model_copy(update={"load_batch_calls": 7}))
    with company.begin() as session:
        calls.forget(session, ids[3], AT, "boss")
        outbox.changed(session, ids[5], AT)
    load_pending(company, fast(settings))
    before = facts(settings)
    assert rebuild(company, fast(settings)).calls == 39
    assert facts(settings) == before
    assert load_pending(company, fast(settings)).calls == 0


def facts(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    with warehouse.connect(settings) as connection:
        return {name: connection.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in (*FACTS, *DIMENSIONS)}


def test_calls_load_before_anything_is_defined(tmp_path: Path, settings: Settings) -> None:
    database = databases.empty(f"sqlite:///{tmp_path / 'rop.sqlite'}")
    state = next(s for s in _year.states(20) if s["transcript"]) | {"results": [], "deliveries": []}
    with database.begin() as session:
        _year.store(session, [state])
    assert load_pending(database, settings).calls == 1
    assert one(settings, "SELECT count(*) FROM calls") == 1
    database.dispose()
