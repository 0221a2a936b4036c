"""Inserts that keep what is there, on both databases. Outcome by RETURNING: psycopg reports no row count here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models import Base

BATCH_ROWS = 500  # well below SQLite's limit of parameters in one statement


def insert_or_ignore(session: Session, model: type[Base], values: dict[str, Any]) -> bool:
    """Insert one row unless a unique key is taken; True when this statement inserted it."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    key = inspect(model).primary_key[0]
    statement = insert(model).values(values).on_conflict_do_nothing().returning(key)
    return session.execute(statement).first() is not None


def insert_missing(session: Session, model: type[Base], rows: list[dict[str, Any]]) -> set[Any]:
    """Insert the rows whose primary key is not there yet; their keys."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    key = inspect(model).primary_key[0]
    new: set[Any] = set()
    for start in range(0, len(rows), BATCH_ROWS):
        statement = insert(model).values(rows[start : start + BATCH_ROWS]).on_conflict_do_nothing().returning(key)
        new |= set(session.scalars(statement))
    return new
