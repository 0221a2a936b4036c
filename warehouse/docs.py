"""The reference of the warehouse, written from the comments that its tables and views carry: `python -m warehouse.docs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from warehouse import catalog
from warehouse.stores import Connection

MARK = "<!-- below this line: python -m warehouse.docs -->"
HEADS = {"ru": ("Представления", "Таблицы", "Колонка", "Тип", "Что это"), "en": ("Views", "Tables", "Column", "Type", "What it is")}
# A comment is Russian and English with this between them.
BETWEEN = " // "
RELATIONS = """
    SELECT view_name AS name, true AS is_view, comment FROM duckdb_views()
    WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal
    UNION ALL
    SELECT table_name, false, comment FROM duckdb_tables() WHERE database_name = current_database() AND NOT internal
    ORDER BY is_view DESC, name
"""
COLUMNS = """
    SELECT column_name, data_type, comment FROM duckdb_columns()
    WHERE database_name = current_database() AND schema_name = 'main' AND table_name = ? ORDER BY column_index
"""


def reference(connection: Connection, language: str) -> str:
    """Every view and table with every column, as Markdown in `ru` or `en`."""
    views, tables, *_ = HEADS[language]
    lines: list[str] = []
    shown = None
    for name, is_view, comment in connection.execute(RELATIONS).fetchall():
        if is_view != shown:
            lines += [f"## {views if is_view else tables}", ""]
            shown = is_view
        lines += [f"### {name}", "", _in(language, comment), "", *_columns(connection, name, language), ""]
    return "\n".join(lines)


def page(text: str, language: str) -> str:
    """A page of `docs/` with its generated part anew."""
    with duckdb.connect() as connection:
        catalog.create(connection)
        return text.split(MARK, maxsplit=1)[0] + MARK + "\n\n" + reference(connection, language)


def undocumented(connection: Connection) -> list[str]:
    """Tables, views and columns without a comment in both languages."""
    missing = []
    for name, _, comment in connection.execute(RELATIONS).fetchall():
        columns = connection.execute(COLUMNS, [name]).fetchall()
        texts = [(name, comment), *((f"{name}.{column}", text) for column, _, text in columns)]
        missing += [name for name, text in texts if not text or text.count(BETWEEN) != 1]
    return missing


def _columns(connection: Connection, name: str, language: str) -> Iterator[str]:
    _, _, *heads = HEADS[language]
    yield f"| {' | '.join(heads)} |"
    yield "|---|---|---|"
    for column, type, comment in connection.execute(COLUMNS, [name]).fetchall():
        yield f"| `{column}` | {type} | {_in(language, comment)} |"


def _in(language: str, comment: str | None) -> str:
    russian, _, english = (comment or "").partition(BETWEEN)
    return english if language == "en" else russian


def main(folder: Path = Path("docs")) -> None:
    """Write the generated part of both pages."""
    for language in HEADS:
        path = folder / language / "warehouse.md"
        path.write_text(page(path.read_text(encoding="utf-8"), language), encoding="utf-8")


if __name__ == "__main__":
    main()
