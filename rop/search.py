"""`rop search`: what was said in conversations, by Russian word forms."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from core import settings as settings_module
from rop.context import Home
from rop.tables import show

COLUMNS = ("Звонок", "Начало", "Менеджер", "Кто", "Время", "Реплика")
SPEAKERS = {"manager": "менеджер", "customer": "клиент", "unknown": "?"}

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="YYYY-MM-DD, inclusive.")]


def search(
    words: Annotated[list[str], typer.Argument(help="Words in any form; a call has to hold all of them.")],
    home: Home = None,
    since: Day = None,
    until: Day = None,
    limit: Annotated[int, typer.Option(min=1, help="Calls to show.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array of objects instead of a table.")] = False,
) -> None:
    """Find calls in which all these words were said, with the line and its time. A new call is found once it is in the warehouse."""
    from warehouse import search as searching

    first, last = since.date() if since else searching.FIRST_DAY, until.date() if until else searching.LAST_DAY
    hits = searching.search(settings_module.load(home), " ".join(words), limit, first, last)
    if as_json:
        print(json.dumps([asdict(hit) for hit in hits], ensure_ascii=False, default=str))
        return
    rows = [(h.call_id, f"{h.started_local:%d.%m.%Y %H:%M}", h.manager, SPEAKERS[h.speaker], _clock(h.seconds), h.text) for h in hits]
    show(COLUMNS, rows, "Ничего не нашлось.")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
