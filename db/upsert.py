"""Inserts that keep what is there, on both databases. Outcome by RETURNING: psycopg reports no row count here."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Column, Table, TextualSelect, bindparam, inspect, text
from sqlalchemy.orm import Session

from db.models import Base


def insert_or_ignore(session: Session, model: type[Base], values: dict[str, Any]) -> bool:
    """Insert one row unless a unique key is taken; True when this statement inserted it.

    `values` names every column that has a default: the statement is plain SQL.
    """
    return bool(insert_missing(session, model, [values]))


def insert_missing(session: Session, model: type[Base], rows: list[dict[str, Any]]) -> set[Any]:
    """Insert the rows whose unique keys are not taken; the first primary key of each that was inserted."""
    session.flush()
    connection = session.connection()
    found = (connection.execute(_statement(model, tuple(row)), row).scalar() for row in rows)
    return {key for key in found if key is not None}


@cache
def _statement(model: type[Base], columns: tuple[str, ...]) -> TextualSelect:
    """The statement as text: SQLAlchemy caches no ON CONFLICT, and compiling it anew costs more than running it."""
    table = inspect(model).local_table
    assert isinstance(table, Table)  # noqa: S101  every model is a table
    key: Column[Any] = next(iter(table.primary_key))
    values = ", ".join(f":{name}" for name in columns)
    insert = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT DO NOTHING RETURNING {key.name}"  # noqa: S608  names of our own models
    return text(insert).bindparams(*(bindparam(name, type_=table.c[name].type) for name in columns)).columns(key)
