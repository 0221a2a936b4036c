"""«Сводка»: how it goes today and this week, and what to look at first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.pages import asked, charts, filters
from api.pages.view import View, Viewer
from db import appeals, overview
from db.overview import CallFilter

WEEK = 7  # days
WORST = 6  # lines of each list
router = APIRouter()


@router.get("/")
def show(view: Viewer) -> Response:
    """The first page; a manager sees their own figures."""
    return view.render("summary.html", **_now(view), **_report(view), days=asked.days(view), periods=asked.PERIODS)


def _now(view: View) -> dict[str, Any]:
    """What the operational database knows at this moment."""
    today, tomorrow = filters.midnight(view), filters.midnight(view, -1)
    week, before = filters.midnight(view, WEEK - 1), filters.midnight(view, 2 * WEEK - 1)
    with view.context.database.read() as session:
        weak = CallFilter(since=week, high=50.0, own=view.own)
        return {
            "today": overview.period(session, CallFilter(since=today, until=tomorrow, own=view.own)),
            "week": overview.period(session, CallFilter(since=week, until=tomorrow, own=view.own)),
            "last_week": overview.period(session, CallFilter(since=before, until=week, own=view.own)),
            "attention": overview.attention(session, view.at - timedelta(days=WEEK)),
            "appeals": appeals.waiting(session, view.own),
            "appealed": [] if view.own is not None else appeals.next_waiting(session, WORST),
            "weak": overview.page(session, weak, WORST).lines,
            "failed": overview.page(session, CallFilter(since=week, status="failed", own=view.own), WORST).lines,
            "any": overview.count(session, CallFilter(own=view.own)) > 0,
            "since": view.shape.local(week).date().isoformat(),
        }


def _report(view: View) -> dict[str, Any]:
    """What the warehouse knows of the period."""
    report = view.reports
    if report is None:
        return {"report": None}
    wanted, known = asked.read(view, report)
    stages = [row for row in report.rows("stages", wanted) if row["n"]]
    return {
        "report": wanted,
        "checklists": known,
        "totals": report.rows("totals", wanted)[0],
        "earlier": report.rows("totals", wanted.earlier)[0],
        "trend": charts.trend(report.rows("trend", wanted), wanted.since, wanted.until),
        "stages": sorted(stages, key=lambda row: (row["rate"], row["position"]))[:WORST],
    }
