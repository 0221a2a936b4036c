"""Schema migrations: Alembic, configured in code so that they run from any folder."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from db import search
from db.engine import Database

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """Bring the schema to the newest revision; harmless when it is there already."""
    alembic = config()
    with database.begin() as session:
        alembic.attributes["connection"] = session.connection()
        command.upgrade(alembic, "head")
        search.ensure(session.connection())


def is_current(database: Database) -> bool:
    """Whether the schema is the one this code was written for."""
    with database.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    return found == ScriptDirectory.from_config(config()).get_current_head()


def config() -> Config:
    """Alembic's configuration for our migrations."""
    alembic = Config()
    alembic.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return alembic
