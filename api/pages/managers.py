"""«Менеджеры»: the scoreboard with its uncertainty, stages by manager, one manager's page."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.pages import asked, charts
from api.pages.form import Key
from api.pages.reports import Asked, Reports
from api.pages.view import View, Viewer
from core.errors import NotFound
from db import directory, overview
from db.models import Manager
from db.overview import CallFilter

MOMENTS, CALLS = 8, 10  # lines on a manager's page
router = APIRouter()


@router.get("/managers")
def show(view: Viewer, office: str = "") -> Response:
    """Everybody who had scored calls in the period."""
    view.need("see_all")
    with view.context.database.read() as session:
        offices = overview.choices(session).offices
    report = view.reports
    if report is None:
        return view.render("managers.html", report=None)
    wanted, known = asked.read(view, report, office=office or None)
    board = _period(view) | _board(report, wanted)
    return view.render("managers.html", report=wanted, checklists=known, offices=offices, **board)


@router.get("/managers/{key}")
def one(view: Viewer, key: Key) -> Response:
    """One manager: trend, stages beside the company's, moments to talk about, latest calls."""
    view.need("see_all")
    with view.context.database.read() as session:
        if session.get(Manager, key) is None:
            raise NotFound(ru="Такого менеджера нет.", en="No such manager.")
        name = directory.manager_names(session, [key]).get(key, key)
        latest = overview.page(session, CallFilter(manager=key), CALLS).lines
    report = view.reports
    values = _one(report, view, key) if report else {"report": None}
    return view.render("manager.html", key=key, name=name, latest=latest, **_period(view), **values)


def _period(view: View) -> dict[str, Any]:
    return {"days": asked.days(view), "periods": asked.PERIODS}


def _board(report: Reports, wanted: Asked) -> dict[str, Any]:
    cells: dict[str, dict[str, dict[str, Any]]] = {}
    for cell in report.rows("heat", wanted):
        cells.setdefault(cell["manager_id"], {})[cell["stage_id"]] = cell | {"heat": charts.heat(cell["rate"] if cell["n"] else None)}
    weeks: dict[str, list[float]] = {}
    for week in report.rows("weeks", wanted, by="manager"):
        weeks.setdefault(week["id"], []).append(week["mean"])
    return {
        "ranking": report.rows("ranking", wanted),
        "stages": report.rows("stages", wanted),
        "cells": cells,
        "sparks": {manager: charts.spark(values) for manager, values in weeks.items()},
    }


def _one(report: Reports, view: View, key: str) -> dict[str, Any]:
    wanted, known = asked.read(view, report, manager=key)
    company = Asked(wanted.since, wanted.until, wanted.checklist)
    others = {row["stage_id"]: row["rate"] for row in report.rows("stages", company)}
    place = [row for row in report.rows("ranking", company) if row["manager_id"] == key]
    return {
        "report": wanted,
        "checklists": known,
        "totals": report.rows("totals", wanted)[0],
        "earlier": report.rows("totals", wanted.earlier)[0],
        "place": place[0] if place else None,
        "ranked": sum(row["rank"] is not None for row in report.rows("ranking", company)),
        "trend": charts.trend(report.rows("trend", wanted), wanted.since, wanted.until),
        "stages": report.rows("stages", wanted),
        "others": others,
        "moments": report.rows("moments", wanted, limit=MOMENTS),
    }
