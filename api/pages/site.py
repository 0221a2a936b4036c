"""The pages as one application, mounted behind the API: an unknown page is a page, an unknown API path stays a problem."""

from __future__ import annotations

from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import Match, Mount
from starlette.types import Scope

from api.context import Context
from api.middleware import CallIdPaths
from api.pages import (
    assets,
    audio,
    call,
    calls,
    connection,
    definitions,
    export,
    hooks,
    judge,
    offices,
    people,
    quality,
    rescoring,
    sign_in,
    summary,
    trials,
)
from api.pages import managers as managers_page
from api.pages.reports import Desk
from api.pages.security import SafeHeaders, SameSite
from api.pages.view import SignInNeeded, View, templates
from core.errors import InvalidInput, NotFound, RopError, Unavailable

# First segments of paths that are never pages.
NOT_PAGES = frozenset({"api", "docs", "openapi.json", "healthz", "readyz", "metrics", "static"})
ROUTERS = (
    assets.router,
    sign_in.router,
    summary.router,
    calls.router,
    export.router,
    call.router,
    judge.router,
    audio.router,
    managers_page.router,
    offices.router,
    trials.router,
    quality.router,
    rescoring.router,
    hooks.router,
    connection.router,
    people.router,
    definitions.router,
)
KNOWN: dict[int, type[RopError]] = {404: NotFound, 405: NotFound}

log = structlog.get_logger(__name__)


class Pages(Mount):
    """Everything whose first segment is not the API's."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["path"].split("/")[1:2] and scope["path"].split("/")[1] in NOT_PAGES:
            return Match.NONE, {}
        return super().matches(scope)


def install(app: FastAPI, context: Context) -> None:
    """Mount the pages; to be called after every route of the API."""
    app.router.routes.append(Pages("", create(context), name="pages"))


def create(context: Context) -> FastAPI:
    """The pages alone."""
    pages = FastAPI(title="Цифровой РОП", docs_url=None, redoc_url=None, openapi_url=None)
    pages.router.redirect_slashes = False
    pages.state.context = context
    pages.state.assets = assets.stored()
    pages.state.desk = Desk(context.settings)
    pages.state.templates = templates()
    for router in ROUTERS:
        pages.include_router(router)
    pages.add_exception_handler(SignInNeeded, _to_sign_in)
    for kind in (RopError, RequestValidationError, HTTPException, OperationalError, InterfaceError, PoolTimeout, Exception):
        pages.add_exception_handler(kind, _tell)
    pages.add_middleware(SameSite)
    pages.add_middleware(CallIdPaths, prefix="/")
    pages.add_middleware(SafeHeaders)
    pages.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=6)
    return pages


async def _to_sign_in(request: Request, _error: Exception) -> Response:
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = path if request.method == "GET" and not request.headers.get("hx-request") else "/"
    return View(request, None).go(f"/sign-in?next={quote(wanted, safe='')}")


async def _tell(request: Request, error: Exception) -> Response:
    """A form that was refused goes back to its page with the reason; everything else is a page that says it."""
    known = _known(error)
    view = View(request, None)
    if request.method == "POST" and known.status < 500 and not request.headers.get("hx-request"):
        target = view.back("")
        if target:
            return view.go(target, known.text(view.language), error=True)
    part = bool(request.headers.get("hx-request"))
    return view.render("_error.html" if part else "error.html", known.status, error=known, request_id=request.state.request_id)


def _known(error: Exception) -> RopError:
    if isinstance(error, RopError):
        return error
    if isinstance(error, HTTPException):
        return KNOWN.get(error.status_code, InvalidInput)()
    if isinstance(error, RequestValidationError):
        return NotFound()
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        log.error("database_unavailable", error=type(error).__name__)
        return Unavailable("database_unavailable")
    return RopError()
