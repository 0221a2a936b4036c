"""The whole database as lines of JSON and back, the same on SQLite and PostgreSQL, also from one to the other.

A table is a line that names its columns with their kinds, then a line for every row. It tells all that is needed to read it, so a dump
of an older schema is loaded into that schema and migrated afterwards.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import JSON, Column, LargeBinary, Table, column, func, insert, select, table, text
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from db.models import Base, UtcDateTime

# Alive only where they were made: who holds what, who has asked how often, which browser is signed in.
LEFT_OUT = frozenset({"leases", "rate_hits", "sessions"})
ROWS_AT_ONCE = 100  # a transcript of 45 minutes is a megabyte
Kind = str

# Everything else is plain: a number, a text or a truth goes to the driver as it is.
TYPES: dict[Kind, TypeEngine[Any]] = {"time": UtcDateTime(), "json": JSON(none_as_null=True), "bytes": LargeBinary()}
WRITTEN: dict[Kind, Callable[[Any], Any]] = {"time": datetime.isoformat, "bytes": lambda value: base64.b64encode(value).decode()}
READ: dict[Kind, Callable[[Any], Any]] = {"time": datetime.fromisoformat, "bytes": base64.b64decode}


def names() -> list[str]:
    """The tables of a dump, each after those it refers to."""
    return [one.name for one in Base.metadata.sorted_tables if one.name not in LEFT_OUT]


def lines(session: Session, name: str) -> Iterator[str]:
    """The table as text, a line at a time. In one snapshot all tables belong to one moment."""
    source = Base.metadata.tables[name]
    kinds = {one.name: _kind(one) for one in source.columns if one.computed is None}
    yield json.dumps({"table": name, "columns": kinds})
    columns = [source.c[one] for one in kinds]
    rows = session.execute(select(*columns).order_by(*source.primary_key), execution_options={"yield_per": ROWS_AT_ONCE})
    for row in rows:
        yield json.dumps([_written(kind, value) for kind, value in zip(kinds.values(), row, strict=True)], ensure_ascii=False)


def load(session: Session, text_lines: Iterable[str]) -> int:
    """Insert what `lines` gave into the empty table of the same schema; how many rows."""
    remaining = iter(text_lines)
    head = json.loads(next(remaining))
    kinds: dict[str, Kind] = head["columns"]
    target = table(head["table"], *(_column(name, kind) for name, kind in kinds.items()))
    count = 0
    while batch := list(islice(remaining, ROWS_AT_ONCE)):
        rows = (zip(kinds.items(), json.loads(line), strict=True) for line in batch)
        session.connection().execute(insert(target), [{name: _read(kind, value) for (name, kind), value in row} for row in rows])
        count += len(batch)
    return count


def renumber(session: Session) -> None:
    """Let new rows be numbered after the loaded ones; SQLite does so by itself."""
    if session.get_bind().dialect.name == "sqlite":
        return
    for one in Base.metadata.sorted_tables:
        _renumber(session, one)


def _renumber(session: Session, numbered: Table) -> None:
    key = next(iter(numbered.primary_key))
    sequence = session.scalar(text("SELECT pg_get_serial_sequence(:name, :key)"), {"name": numbered.name, "key": key.name})
    last = session.scalar(select(func.max(key))) if sequence else None
    if last is not None:
        session.execute(text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": last})


def _kind(one: Column[Any]) -> Kind:
    return next((kind for kind, type_ in TYPES.items() if isinstance(one.type, type(type_))), "plain")


def _column(name: str, kind: Kind) -> Any:
    return column(name, TYPES[kind]) if kind in TYPES else column(name)


def _written(kind: Kind, value: Any) -> Any:
    return value if value is None or kind not in WRITTEN else WRITTEN[kind](value)


def _read(kind: Kind, value: Any) -> Any:
    return value if value is None or kind not in READ else READ[kind](value)
