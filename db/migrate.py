"""Schema migrations: Alembic, configured in code so that they run from any folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from core.errors import PermanentError
from db import search
from db.engine import Database

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x524F50  # "ROP": whoever migrates a PostgreSQL database holds this advisory lock


class SchemaTooNew(PermanentError):
    """A newer version of the product has migrated the database; this one could damage it."""

    code = "schema_too_new"
    texts: ClassVar[dict[str, str]] = {
        "ru": "База уже обновлена более новой версией программы (схема {found}, эта версия знает {known}). Запустите новую версию.",
        "en": "A newer version has migrated the database (schema {found}, this version knows {known}). Run the newer version.",
    }


class SchemaDamaged(PermanentError):
    """After a migration or a restore, rows refer to rows that are not there; it was rolled back."""

    code = "schema_damaged"
    texts: ClassVar[dict[str, str]] = {
        "ru": "База осталась прежней: нарушены ссылки в таблицах {tables}.",
        "en": "The database stays as it was: broken references in {tables}.",
    }


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema to the newest revision, or to that one; one process at a time, harmless when it is there already.

    Raises:
        SchemaTooNew: the schema is not of this version's making; nothing was changed.
    """
    with alone(database) as connection:
        upgrade_within(connection, revision)


@contextmanager
def alone(database: Database) -> Iterator[Connection]:
    """A transaction that no migration runs beside."""
    with database.engine.connect().execution_options(rop_write=True) as connection:
        if not database.is_sqlite:
            with connection.begin():
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
                yield connection
            return
        # SQLite changes a table by making another and dropping the old one, which would delete what refers to it.
        plain = connection.connection.cursor()
        plain.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                yield connection
        finally:
            plain.execute("PRAGMA foreign_keys=ON")


def upgrade_within(connection: Connection, revision: str = "head") -> None:
    """`upgrade` as a part of what else happens in the transaction of `alone`."""
    before = _refuse_newer(connection)
    alembic = config()
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, revision)
    search.ensure(connection)
    if before != _revision(connection):
        refuse_broken(connection)


def refuse_broken(connection: Connection) -> None:
    """Raise `SchemaDamaged` if rows refer to rows that are not there: in `alone` SQLite does not look."""
    if connection.dialect.name == "sqlite" and (broken := connection.execute(text("PRAGMA foreign_key_check")).fetchall()):
        raise SchemaDamaged(tables=", ".join(sorted({row[0] for row in broken})))


def refuse_newer(database: Database) -> None:
    """Raise `SchemaTooNew` for a database that a newer version has migrated."""
    with database.engine.connect() as connection:
        _refuse_newer(connection)


def is_current(database: Database) -> bool:
    """Whether the schema is the one this code was written for."""
    return revision_of(database) == newest()


def revision_of(database: Database) -> str | None:
    """The revision of the schema, None for an empty database."""
    with database.engine.connect() as connection:
        return _revision(connection)


def newest() -> str | None:
    """The revision that this version of the product was written for."""
    return ScriptDirectory.from_config(config()).get_current_head()


def is_known(revision: str) -> bool:
    """Whether this version of the product has a migration of that name."""
    return revision in {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}


def config() -> Config:
    """Alembic's configuration for our migrations."""
    alembic = Config()
    alembic.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return alembic


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(connection: Connection) -> str | None:
    found = _revision(connection)
    if found is not None and not is_known(found):
        raise SchemaTooNew(found=found, known=newest())
    return found
