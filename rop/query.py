"""`rop query`: read-only SQL on the published warehouse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from core import settings as settings_module
from core.errors import InvalidInput
from rop.context import Home
from rop.tables import show


def query(
    sql: Annotated[str | None, typer.Argument(help="One SELECT, such as: SELECT * FROM manager_ranking")] = None,
    home: Home = None,
    file: Annotated[Path | None, typer.Option(help="Read the SQL from a file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array of objects instead of a table.")] = False,
) -> None:
    """Ask the warehouse. Calls appear within a minute after they are done; `SELECT * FROM freshness` says how fresh it is."""
    text = file.read_text(encoding="utf-8") if file else sql
    if not text:
        raise InvalidInput(ru='Нужен запрос: rop query "SELECT …" или --file.', en='A query is needed: rop query "SELECT …" or --file.')
    import warehouse

    columns, rows = warehouse.query(text, settings_module.load(home))
    if as_json:
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], ensure_ascii=False, default=str))
        return
    show(columns, rows)
