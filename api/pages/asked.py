"""The period and the checklist of a report page, from its address."""

from __future__ import annotations

from datetime import timedelta

from api.pages.reports import Asked, Reports
from api.pages.view import View

PERIODS = (7, 30, 90)
DEFAULT = 30


def days(view: View) -> int:
    """How many days the page is about."""
    given = view.request.query_params.get("days", "")
    return int(given) if given.isdecimal() and int(given) in PERIODS else DEFAULT


def read(view: View, reports: Reports, *, manager: str | None = None, office: str | None = None) -> tuple[Asked, list[tuple[str, str]]]:
    """What is asked, and the checklists there are; without a choice, the most used one."""
    until = view.shape.local(view.at).date()
    period = Asked(until - timedelta(days=days(view) - 1), until)
    known = reports.checklists(period)
    wanted = view.request.query_params.get("checklist", "")
    chosen = wanted if wanted in dict(known) else known[0][0] if known else ""
    return Asked(period.since, period.until, chosen, view.own if view.own is not None else manager, office), known
