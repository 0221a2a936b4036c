"""«Офисы»: how the offices do, with their uncertainty and trend."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.pages import asked, charts
from api.pages.view import Viewer
from db import overview

router = APIRouter()


@router.get("/offices")
def show(view: Viewer) -> Response:
    """Every office that had scored calls in the period, at the time of the calls."""
    view.need("see_all")
    period: dict[str, Any] = {"days": asked.days(view), "periods": asked.PERIODS}
    with view.context.database.read() as session:
        leaders = overview.leaders(session)
    report = view.reports
    if report is None:
        return view.render("offices.html", report=None, **period)
    wanted, known = asked.read(view, report)
    weeks: dict[str, list[float]] = {}
    for week in report.rows("weeks", wanted, by="office"):
        weeks.setdefault(week["id"], []).append(week["mean"])
    return view.render(
        "offices.html",
        report=wanted,
        checklists=known,
        rows=report.rows("offices", wanted),
        leaders=leaders,
        sparks={office: charts.spark(values) for office, values in weeks.items()},
        **period,
    )
