"""Full-text search in transcripts: FTS5 on SQLite, a GIN index on PostgreSQL; the same words by the same beginnings on both.

The index is derived from `transcripts` by the database itself, so it is made beside the migrations and never written to by us.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection, TextClause, text

NEWEST = 5_000  # matches looked at, newest first: the commonest word of 100 000 calls must not cost more than a rare one
MAX_WORDS = 8
STEM_LENGTH = 4  # Russian endings are mostly shorter than what is left of a word above this
ENDING = 2

_SQLITE = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS search_words USING fts5("
    "call_id UNINDEXED, text, tokenize='unicode61 remove_diacritics 0', prefix='4')",
    "CREATE TABLE IF NOT EXISTS search_rows (call_id VARCHAR PRIMARY KEY, number INTEGER NOT NULL)",
    """CREATE TRIGGER IF NOT EXISTS search_insert AFTER INSERT ON transcripts BEGIN
        INSERT INTO search_words (call_id, text) VALUES (new.call_id, replace(replace(new.text, 'ё', 'е'), 'Ё', 'Е'));
        INSERT INTO search_rows VALUES (new.call_id, last_insert_rowid());
    END""",
    """CREATE TRIGGER IF NOT EXISTS search_update AFTER UPDATE OF text ON transcripts BEGIN
        UPDATE search_words SET text = replace(replace(new.text, 'ё', 'е'), 'Ё', 'Е')
        WHERE rowid = (SELECT number FROM search_rows WHERE call_id = new.call_id);
    END""",
    """CREATE TRIGGER IF NOT EXISTS search_delete AFTER DELETE ON transcripts BEGIN
        DELETE FROM search_words WHERE rowid = (SELECT number FROM search_rows WHERE call_id = old.call_id);
        DELETE FROM search_rows WHERE call_id = old.call_id;
    END""",
)
_VECTOR = "to_tsvector('simple', translate(text, 'ёЁ', 'еЕ'))"
_POSTGRES = (f"CREATE INDEX IF NOT EXISTS search_words ON transcripts USING gin ({_VECTOR})",)

_FIND_SQLITE = "SELECT call_id FROM search_words WHERE search_words MATCH :wanted ORDER BY rowid DESC LIMIT :newest"
_FIND_POSTGRES = f"""
    SELECT call_id FROM transcripts WHERE {_VECTOR} @@ to_tsquery('simple', :wanted) ORDER BY created_at DESC LIMIT :newest
"""  # noqa: S608  built from constants alone


def ensure(connection: Connection) -> None:
    """Make the index and what keeps it up to date; harmless when it is there."""
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRES:
        connection.execute(text(statement))


def matches(dialect: str, words: str) -> TextClause | None:
    """The query for the ids of the newest calls in which every word was said, in any of its forms; None without any word."""
    stems = [_stem(word) for word in re.findall(r"\w+", words.lower().replace("ё", "е"))[:MAX_WORDS]]
    if not stems:
        return None
    if dialect == "sqlite":
        return text(_FIND_SQLITE).bindparams(wanted=" AND ".join(f'text : "{stem}" *' for stem in stems), newest=NEWEST)
    return text(_FIND_POSTGRES).bindparams(wanted=" & ".join(f"'{stem}':*" for stem in stems), newest=NEWEST)


def _stem(word: str) -> str:
    """The beginning that all forms of a word share, roughly: the ending is cut from what is long enough."""
    return word if word.isdigit() else word[: max(STEM_LENGTH, len(word) - ENDING)]
