"""Everything a stack leaves behind in its home, as text that can be searched for secrets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

# The two places that exist to hold whole addresses.
ADDRESSES = {"calls.audio_url", "endpoints.url"}


def written(home: Path) -> Iterator[tuple[str, str]]:
    """Place and text of every log, every file of Prefect, and every value in the databases of both."""
    for folder in ("logs", "prefect", "run"):
        for path in sorted((home / folder).rglob("*")):
            if path.is_file() and ".db" not in path.name:
                yield str(path.relative_to(home)), path.read_bytes().decode("utf-8", "replace")
    yield "up.log", (home / "up.log").read_text("utf-8", "replace")
    for database in (home / "rop.sqlite", *(home / "prefect").glob("*.db")):
        yield from _values(database)


def _values(database: Path) -> Iterator[tuple[str, str]]:
    connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            yield from _rows(connection, table)
    finally:
        connection.close()


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[str, str]]:
    found = connection.execute(f'SELECT * FROM "{table}"')
    names = [f"{table}.{column[0]}" for column in found.description]
    for row in found:
        for name, value in zip(names, row, strict=True):
            if name not in ADDRESSES and isinstance(value, (str, bytes)):
                yield name, value if isinstance(value, str) else value.decode("utf-8", "replace")
