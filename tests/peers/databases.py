"""Empty, migrated operational databases at once: the migrations run once for all tests of a process."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import make_url, text
from sqlalchemy.orm import Session

from db import migrate
from db.engine import Database

SHAPE = """
SELECT md5(string_agg(concat_ws(' ', c.relname, a.attname, a.atttypid, a.attnotnull), ',' ORDER BY c.relname, a.attnum))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0
"""
VERSION = "SELECT version_num FROM alembic_version"
TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
NUMBERS_FROM_ONE = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false)
FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
"""

FOLDER = tempfile.TemporaryDirectory(prefix="rop-tests-")

_shapes: dict[str, str] = {}


def empty(url: str) -> Database:
    """The database at this address as `rop up` would make it: a new file, or a PostgreSQL without what others have left in it."""
    return _on_sqlite(url) if url.startswith("sqlite") else _on_postgres(url)


def _on_sqlite(url: str) -> Database:
    path = Path(make_url(url).database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_migrated(), path)
    return Database(url)


def _on_postgres(url: str) -> Database:
    database = Database(url)
    with database.begin() as session:
        if url in _shapes and session.scalar(text(SHAPE)) == _shapes[url] and session.scalar(text(VERSION)) == migrate.newest():
            _empty(session)
            return database
        session.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    migrate.upgrade(database)
    with database.read() as session:
        _shapes[url] = session.scalar(text(SHAPE)) or ""
    return database


@cache
def _migrated() -> Path:
    path = Path(FOLDER.name) / "empty.sqlite"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.dispose()
    return path


def _empty(session: Session) -> None:
    tables = session.scalars(text(TABLES)).all()
    # Without a look at what refers to what: everything goes.
    session.execute(text("; ".join(["SET LOCAL session_replication_role = replica", *(f"DELETE FROM {table}" for table in tables)])))
    session.execute(text(NUMBERS_FROM_ONE))
