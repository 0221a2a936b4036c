"""Errors as the outside sees them: one `application/problem+json` shape, a stable code, Russian or English (C6)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from api import messages, openapi
from core.errors import InvalidInput, NotAuthenticated, NotFound, PermanentError, RopError, TransientError, Unavailable

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5  # a database that is locked or restarting is usually back by then
# The only fields of an error that leave the house; the others may hold addresses or texts of other systems.
PUBLIC = ("fields", "status", "received_at", "call_id")

log = structlog.get_logger(__name__)


class MethodNotAllowed(PermanentError):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    status = 405
    texts: ClassVar[dict[str, str]] = {"ru": "Этот метод здесь не поддерживается.", "en": "This method is not supported here."}


class Problem(JSONResponse):
    """A problem+json answer."""

    media_type = MEDIA_TYPE


def language_of(headers: Mapping[str, str]) -> str:
    """`en` when the client asks for English before Russian, else `ru`."""
    best, quality = "ru", 0.0
    for part in headers.get("accept-language", "").split(","):
        tag, _, q = part.strip().lower().partition(";q=")
        primary = tag.split("-")[0]
        weight = float(q) if re.fullmatch(r"[01](\.\d{1,3})?", q) else 1.0
        if primary in ("ru", "en") and weight > quality:
            best, quality = primary, weight
    return best


def problem(error: RopError, headers: Mapping[str, str], request_id: str) -> Problem:
    """The answer to `error` for a client with these request headers."""
    extras = {name: value for name, value in error.fields.items() if name in PUBLIC and isinstance(error, PermanentError)}
    body: dict[str, Any] = {"code": error.reason, "detail": error.text(language_of(headers))} | extras | {"request_id": request_id}
    return Problem(body, status_code=error.status, headers=_headers(error))


def install(app: FastAPI) -> None:
    """Every error of a request leaves through here; what is unknown is caught by the outermost middleware."""
    app.add_exception_handler(RopError, _answer)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for kind in (OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(kind, _database_down)


def _headers(error: RopError) -> dict[str, str]:
    if isinstance(error, TransientError) and error.status in (429, 503):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after or RETRY_SECONDS)))}
    if isinstance(error, NotAuthenticated):
        return {"WWW-Authenticate": 'Bearer realm="api"'}
    return {}


def _render(request: Request, error: RopError) -> Problem:
    return problem(error, request.headers, request.state.request_id)


async def _answer(request: Request, error: Exception) -> Problem:
    assert isinstance(error, RopError)  # noqa: S101  registered for this class alone
    return _render(request, error)


async def _invalid(request: Request, error: Exception) -> Problem:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class alone
    return _render(request, invalid(error.errors(), language_of(request.headers), skip=1))


async def _http(request: Request, error: Exception) -> Problem:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class alone
    known: dict[int, type[RopError]] = {404: NotFound, 405: MethodNotAllowed}
    answer = _render(request, known.get(error.status_code, InvalidInput)())
    if error.status_code == 405:
        answer.headers["Allow"] = ", ".join(openapi.allowed(request.app, request.scope["path"]))
    return answer


async def _database_down(request: Request, error: Exception) -> Problem:
    log.error("database_unavailable", error=type(error).__name__, cause=str(getattr(error, "orig", "")))
    return _render(request, Unavailable("database_unavailable", retry_after=RETRY_SECONDS))


def invalid(errors: Any, language: str, skip: int = 0) -> InvalidInput:
    """All wrong fields at once; `skip` drops the first parts of each place, such as `query`."""
    fields = {messages.place(e["loc"][skip:]): messages.sentence(e, language) for e in errors}
    names = ", ".join(fields)
    ru, en = f"Некорректные параметры запроса: {_braces(names)}.", f"Invalid request parameters: {_braces(names)}."
    return InvalidInput(ru=ru, en=en, fields=fields)


def _braces(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
