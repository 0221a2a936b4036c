"""Search in conversations by word forms: a nightly index beside the warehouse, and a plain look through what came since."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from checklists.transcript import Speaker
from core.errors import InvalidInput
from core.settings import Settings
from warehouse import extensions, sql, stores
from warehouse.stores import Connection

MAX_WORDS = 8
FIRST_DAY, LAST_DAY = date.min, date.max


@dataclass(frozen=True)
class Hit:
    """One call in which all words were said, with the utterance that has most of them; `seconds` from its start."""

    call_id: str
    started_local: datetime
    manager: str
    speaker: Speaker
    seconds: float
    text: str
    score: float | None


def build(settings: Settings) -> int:
    """Index every conversation that is published, replacing the index as a whole; returns how many calls it holds."""
    target = _index(settings)
    staging = target.with_suffix(".new")
    for leftover in (staging, staging.with_name(staging.name + ".wal")):
        leftover.unlink(missing_ok=True)
    with stores.of(settings).reader(external=True) as connection:
        extensions.load(connection, "fts")
        connection.execute(f"ATTACH {sql.literal(str(staging))} AS search_index")
        connection.execute("USE search_index")
        connection.execute(sql.read("searching/documents.sql"))
        connection.execute(sql.read("searching/index.sql"))
        row = connection.execute("SELECT count(*) FROM documents").fetchone()
        connection.execute("USE warehouse; DETACH search_index")
    staging.replace(target)
    return int(row[0]) if row else 0


def search(settings: Settings, words: str, limit: int = 50, since: date = FIRST_DAY, until: date = LAST_DAY) -> list[Hit]:
    """Calls in which every word was said in any of its forms; new calls first, then by relevance.

    Raises:
        InvalidInput: there is no word in `words`.
        NotPublished: nothing was loaded yet.
    """
    terms = re.findall(r"\w+", words.lower().replace("ё", "е"))[:MAX_WORDS]
    if not terms:
        raise InvalidInput(ru="Нужно хотя бы одно слово.", en="At least one word is needed.")
    with stores.of(settings).reader(external=True) as connection:
        extensions.load(connection, "fts")
        _attach(connection, _index(settings))
        found = connection.execute(
            sql.read("searching/find.sql"),
            {"words": " ".join(terms), "terms": terms, "count": limit, "since": since, "until": until},
        )
        return [Hit(*row) for row in found.fetchall()]


def _index(settings: Settings) -> Path:
    return settings.warehouse_dir / "search.duckdb"


def _attach(connection: Connection, index: Path) -> None:
    """The index, or an empty one before the first night."""
    index.parent.mkdir(parents=True, exist_ok=True)
    if index.exists():
        connection.execute(f"ATTACH {sql.literal(str(index))} AS search_index (READ_ONLY)")
        connection.execute("USE search_index")
        return
    connection.execute("ATTACH ':memory:' AS search_index")
    connection.execute("USE search_index")
    connection.execute("CREATE TABLE documents (call_id VARCHAR, text VARCHAR)")
    connection.execute(sql.read("searching/index.sql"))
