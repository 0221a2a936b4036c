"""«Звонки»: the list with its filters, page by page."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.pages import filters
from api.pages.view import Viewer
from db import overview

ROWS = 50  # calls on one page
router = APIRouter()


@router.get("/calls")
def show(view: Viewer) -> Response:
    """One page of calls; the filters and the place are in the address, so that a link shows the same to everybody."""
    asked = filters.read(view)
    query = view.request.query_params
    newer = filters.cursor(query.get("newer"))
    place = newer or filters.cursor(query.get("older"))
    with view.context.database.read() as session:
        page = overview.page(session, asked.wanted, ROWS, place, "newer" if newer else "older")
        total = overview.count(session, asked.wanted)
        choices = overview.choices(session)
        nothing = not total and not asked.any and overview.count(session, overview.CallFilter(own=view.own)) == 0
    first, last = (page.lines[0], page.lines[-1]) if page.lines else (None, None)
    return view.render(
        "calls.html",
        asked=asked,
        page=page,
        total=total,
        most=overview.COUNTED,
        choices=choices,
        nothing=nothing,
        newer=asked.query(newer=filters.mark(first.at, first.call_id)) if first and page.newer else "",
        older=asked.query(older=filters.mark(last.at, last.call_id)) if last and page.older else "",
    )
