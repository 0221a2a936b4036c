"""What the pages ask the published warehouse: the same facts that analysts see, a minute old at most."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import duckdb

from core import clock
from core.settings import Settings
from warehouse import connect
from warehouse.stores import NotPublished

SQL = Path(__file__).parent / "sql"
FRESH_SECONDS = 20.0  # the warehouse itself is published every half minute
Report = Literal["checklists", "totals", "trend", "stages", "heat", "ranking", "weeks", "offices", "moments"]


@dataclass(frozen=True)
class Asked:
    """Which days, checklist, manager and office a page is about; `before` is where the period of comparison begins."""

    since: date
    until: date
    checklist: str = ""
    manager: str | None = None
    office: str | None = None

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    @property
    def before(self) -> date:
        return self.since - timedelta(days=self.days)

    @property
    def earlier(self) -> Asked:
        """The same for the period before."""
        return Asked(self.before, self.since - timedelta(days=1), self.checklist, self.manager, self.office)


class Reports:
    """One look at the published warehouse: everything read through it belongs to one moment, and is asked for once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, at: float) -> None:
        self._connection = connection
        self._known: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        self._one_at_a_time = threading.Lock()
        self.at = at

    def rows(self, report: Report, asked: Asked, **more: Any) -> list[dict[str, Any]]:
        """The rows of one report as dictionaries; values that the report does not use are left out."""
        key = (report, asked, *more.items())
        with self._one_at_a_time:
            if key not in self._known:
                self._known[key] = self._ask(_text(report), asked, more)
            return self._known[key]

    def checklists(self, asked: Asked) -> list[tuple[str, str]]:
        """Ids and names, the most used one first."""
        return [(row["checklist_id"], row["name"]) for row in self.rows("checklists", asked)]

    def _ask(self, text: str, asked: Asked, more: dict[str, Any]) -> list[dict[str, Any]]:
        values = {name: getattr(asked, name) for name in ("since", "until", "before", "checklist", "manager", "office")} | more
        found = self._connection.execute(text, {name: value for name, value in values.items() if f"${name}" in text})
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


class Desk:
    """Keeps the latest look for `FRESH_SECONDS`: opening the warehouse costs more than most questions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: Reports | None = None
        self._changing = threading.Lock()

    def reports(self) -> Reports | None:
        """The warehouse as it was published at most `FRESH_SECONDS` ago; None while nothing was."""
        with self._changing:
            if self._open is None or clock.monotonic() - self._open.at > FRESH_SECONDS:
                try:
                    # The connection before is closed when the last request that reads through it lets go of it.
                    self._open = Reports(connect(self._settings), clock.monotonic())
                except NotPublished:
                    self._open = None
            return self._open


@cache
def _text(report: Report) -> str:
    body = (SQL / f"{report}.sql").read_text(encoding="utf-8")
    return body if report == "checklists" else (SQL / "scored.sql").read_text(encoding="utf-8") + body
