"""Migrations: forward under a lock, never on a newer schema, and without losing what refers to a changed table."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, text

from core import clock
from db import calls, migrate
from db.engine import Database
from db.models import Base, Call, CallEvent

FIRST = "0001"


@pytest.fixture
def empty(database: Database) -> Database:
    """The database without any table."""
    if database.is_sqlite:
        database.dispose()
        for file in Path(database.engine.url.database or "").parent.glob("rop.sqlite*"):
            file.unlink()
    else:
        with database.begin() as session:
            session.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    return database


def test_a_database_with_calls_goes_from_the_first_schema_to_the_newest(empty: Database) -> None:
    migrate.upgrade(empty, FIRST)
    assert not migrate.is_current(empty)
    at = clock.now()
    with empty.begin() as session:
        row = {"call_id": "c1", "manager_id": "m", "deal_id": "d", "deal_stage_id": "s", "audio_url": "u", "received_at": at}
        state = {"priority": "live", "attempt": 1, "status": "received", "warnings": "[]", "progress": 0, "runs": 0}
        names = (*row, *state)
        session.execute(text(f"INSERT INTO calls ({', '.join(names)}) VALUES ({', '.join(f':{n}' for n in names)})"), row | state)
        session.execute(
            text("INSERT INTO call_events (call_id, attempt, at, name, detail) VALUES ('c1', 1, :at, 'accepted', '{}')"), {"at": at}
        )
    migrate.upgrade(empty)
    assert migrate.is_current(empty)
    with empty.read() as session:
        assert calls.get(session, "c1").text_deleted_at is None
        assert [event.name for event in calls.timeline(session, "c1")] == ["accepted"]


def test_the_migrations_make_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert [change for change in found if "search_" not in str(change)] == []


def test_there_is_one_newest_migration() -> None:
    assert len(ScriptDirectory.from_config(migrate.config()).get_heads()) == 1


def test_a_newer_schema_is_left_alone(database: Database) -> None:
    with database.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for start in (migrate.upgrade, migrate.refuse_newer):
        with pytest.raises(migrate.SchemaTooNew, match="9999"):
            start(database)
    assert migrate.revision_of(database) == "9999"


def test_processes_that_start_at_once_migrate_once(empty: Database) -> None:
    def start(_: int) -> None:
        own = Database(empty.url)
        migrate.upgrade(own)
        own.dispose()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    assert migrate.is_current(empty)


def test_references_are_watched_again_afterwards(database: Database) -> None:
    with database.begin() as session:
        calls.accept(session, calls.NewCall("c1", "m", "d", "s", "u", None), clock.now())
    migrate.upgrade(database)
    with database.begin() as session:
        session.delete(session.get_one(Call, "c1"))
    with database.read() as session:
        assert session.scalars(select(CallEvent)).all() == []
