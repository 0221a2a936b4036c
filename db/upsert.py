"""Inserts that keep what is there, on both databases. Outcome by RETURNING: psycopg reports no row count here."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Table, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.dml import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite.dml import Insert as SqliteInsert
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from db.models import Base


def insert_or_ignore(session: Session, model: type[Base], values: dict[str, Any]) -> bool:
    """Insert one row unless a unique key is taken; True when this statement inserted it."""
    return bool(insert_missing(session, model, [values]))


def insert_missing(session: Session, model: type[Base], rows: list[dict[str, Any]]) -> set[Any]:
    """Insert the rows whose unique keys are not taken; the primary keys of those that this statement inserted."""
    if not rows:
        return set()
    session.flush()
    connection = session.connection()
    # Values apart from the statement, so that it is compiled once.
    return set(connection.execute(_statement(model, connection.dialect.name), rows).scalars())


@cache
def _statement(model: type[Base], dialect: str) -> ReturningInsert[Any]:
    table = inspect(model).local_table
    assert isinstance(table, Table)  # noqa: S101  every model is a table
    make: type[SqliteInsert | PostgresInsert] = sqlite.Insert if dialect == "sqlite" else postgresql.Insert
    return make(table).on_conflict_do_nothing().returning(next(iter(table.primary_key)))
