"""Around every request: its id, one access line without the query string, and the last word on unknown errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, unquote

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem
from core import clock, ids
from core.errors import RopError
from core.logging import scrub

SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
Observe = Callable[[Scope, int, float], None]

log = structlog.get_logger("api.access")


class RequestLog:
    """Takes or makes `X-Request-ID`, binds it to every log line, answers 500 to what nobody caught.

    What a route puts into `request.state.logged` joins the access line.
    """

    def __init__(self, app: ASGIApp, observe: Observe) -> None:
        self.app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        state = scope.setdefault("state", {})
        state["request_id"], state["logged"] = request_id, {}
        started, status = clock.monotonic(), 0

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, stamped)
            except Exception:
                log.exception("unexpected_error")
                if status == 0:
                    await problem(RopError(), Headers(scope=scope), request_id)(scope, receive, stamped)
            seconds = clock.monotonic() - started
            self._observe(scope, status, seconds)
            line = {"method": scope["method"], "path": scope["path"], "status": status, "ms": round(seconds * 1000, 1)}
            log.info("request", **line, **state["logged"])


class CallIdPaths:
    """Keeps `%2F` inside one path segment: a call id is any string, a slash included."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path", b"")
        if scope["type"] == "http" and raw.startswith(self._prefix.encode()) and b"%" in raw:
            scope["path"] = _with_slashes_kept(raw.split(b"?")[0].decode("latin-1"))
        await self.app(scope, receive, send)


def _with_slashes_kept(raw: str) -> str:
    """Each segment decoded, then its `%` and `/` encoded again; `unquote` of a path parameter restores it."""
    segments = (unquote(s, errors="replace").replace("%", "%25").replace("/", "%2F") for s in raw.split("/"))
    return "/".join(segments)


def encoded(segment: str) -> str:
    """A call id as one path segment."""
    return quote(segment, safe="")


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if SAFE_ID.fullmatch(given) and scrub(given) == given else ids.token(8)
