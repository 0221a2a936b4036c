"""«Качество данных»: what the hourly checks of the warehouse found, and the pages of Great Expectations behind the sign-in."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.pages.view import View, Viewer
from core.errors import NotFound
from warehouse import quality

# These pages are written by another product from customers' words: no script, no form, nothing from outside, an origin of their own.
POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
INDEX = "index.html"
router = APIRouter(prefix="/settings/quality")


@router.get("")
def show(view: Viewer) -> Response:
    """The latest report; broken expectations with example rows."""
    view.need("inspect")
    report = quality.last(view.context.settings)
    pages = report is not None and (quality.docs(view.context.settings) / INDEX).exists()
    return view.render("quality.html", report=report, pages=pages, days=view.context.settings.quality_days)


@router.get("/docs")
def start(view: Viewer) -> Response:
    """The first of the Data Docs; its links are relative to the folder."""
    view.need("inspect")
    return RedirectResponse(f"/settings/quality/docs/{INDEX}", 303)


@router.get("/docs/{path:path}")
def page(view: Viewer, path: str) -> Response:
    """One of the Data Docs; whatever the path says, nothing outside their folder."""
    view.need("inspect")
    return HTMLResponse(_file(view, unquote(path)).read_bytes(), headers={"Content-Security-Policy": POLICY})


def _file(view: View, path: str) -> Path:
    """The file of that name; raises `NotFound`."""
    folder = quality.docs(view.context.settings).resolve()
    try:
        wanted = (folder / path).resolve()
        if wanted.is_relative_to(folder) and wanted.suffix == ".html" and wanted.is_file():
            return wanted
    except (OSError, ValueError):
        pass
    raise NotFound
