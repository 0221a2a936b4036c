"""One person's request: who asks, in which language, and how an answer is made of a template."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.assets import STATIC
from api.context import Context
from api.middleware import encoded
from api.pages import assets, roles, shape, words
from api.pages.reports import Desk, Reports
from api.pages.shape import Shape
from api.problems import language_of
from core import clock
from db import users
from db.models import User

TEMPLATES = STATIC.parent / "templates"
SESSION, FLASH, LANGUAGE, THEME = "rop_session", "rop_flash", "rop_language", "rop_theme"
YEAR = 365 * 86400
MAX_NEXT = 2000  # characters of an address to come back to


class SignInNeeded(Exception):
    """Nobody is signed in; the handler leads to the sign-in page and back."""


@dataclass(frozen=True)
class Undo:
    """A form that takes the last change back."""

    action: str
    fields: Mapping[str, str]


class View:
    """What a page's function gets. `user` is None on the few pages that need nobody."""

    def __init__(self, request: Request, user: User | None) -> None:
        self.request = request
        self.context: Context = request.app.state.context
        self.user = user
        chosen = request.cookies.get(LANGUAGE)
        self.language = chosen if chosen in ("ru", "en") else language_of(request.headers)
        self.shape = Shape(self.context.settings.time_zone, self.language)
        self.at: datetime = clock.now()

    @property
    def reports(self) -> Reports | None:
        """The published warehouse, None while nothing was published."""
        desk: Desk = self.request.app.state.desk
        return desk.reports()

    @property
    def login(self) -> str:
        """Who acts, for the audit."""
        return self.user.login if self.user else ""

    @property
    def own(self) -> str | None:
        """The one manager whose calls this person may see, None for all; a manager without an id sees none."""
        if self.user is None or self.may("see_all"):
            return None
        return self.user.manager_id or ""

    def may(self, right: roles.Right) -> bool:
        return self.user is not None and roles.may(self.user.role, right)

    def need(self, right: roles.Right) -> None:
        """Raise `Forbidden` unless the person may."""
        if not self.may(right):
            raise roles.Forbidden

    def t(self, text: str, /, **fields: Any) -> str:
        """The text in the person's language, filled."""
        translated = words.translate(text, self.language)
        return translated.format(**fields) if fields else translated

    def render(self, template: str, code: int = 200, **values: Any) -> Response:
        """A page, or a part of one."""
        flash = _unpacked(self.request.cookies.get(FLASH, ""))
        theme = self.request.cookies.get(THEME, "")
        environment: Environment = self.request.app.state.templates
        html = environment.get_template(template).render(
            view=self,
            user=self.user,
            may=self.may,
            t=self.t,
            fmt=self.shape,
            now=self.at,
            language=self.language,
            theme=theme if theme in ("light", "dark") else "",
            flash=flash,
            path=self.request.url.path,
            query=self.request.url.query,
            **values,
        )
        answer = HTMLResponse(html, code)
        if flash:
            answer.delete_cookie(FLASH, path="/")
        return answer

    def go(self, path: str, said: str = "", *, undo: Undo | None = None, error: bool = False) -> Response:
        """To another page, which shows `said` once, with a way back if there is one."""
        answer = RedirectResponse(path, 303)
        if self.request.headers.get("hx-request"):
            answer = Response(status_code=204, headers={"HX-Redirect": path})  # type: ignore[assignment]
        if said:
            answer.set_cookie(FLASH, _packed(said, undo, error), max_age=60, **self.cookie)
        return answer

    @property
    def cookie(self) -> dict[str, Any]:
        """How our cookies are set; `Secure` only where the page itself came over https, or it would never come back."""
        return {"path": "/", "httponly": True, "samesite": "lax", "secure": self.request.url.scheme == "https"}

    def back(self, fallback: str) -> str:
        """The page the form was on, if it was one of ours."""
        referer = urlsplit(self.request.headers.get("referer", ""))
        if referer.netloc != self.request.headers.get("host") or not referer.path.startswith("/"):
            return fallback
        return own_path(f"{referer.path}?{referer.query}" if referer.query else referer.path, fallback)


@cache
def templates() -> Environment:
    """The one template environment, compiled once: everything is escaped, a misspelt name is an error."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(asset=assets.stored().url, level=shape.level, words=words)
    environment.filters.update(segment=encoded, urlquote=lambda value: quote(str(value), safe=""))
    return environment


def own_path(path: str, fallback: str = "/") -> str:
    """The path if it stays on this site: one slash, no backslash, no control characters."""
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable() and len(path) <= MAX_NEXT
    return path if plain else fallback


def _guest(request: Request) -> View:
    return View(request, _user(request))


def _signed_in(request: Request) -> View:
    user = _user(request)
    if user is None:
        raise SignInNeeded
    request.state.logged["user"] = user.user_id
    return View(request, user)


def _user(request: Request) -> User | None:
    token = request.cookies.get(SESSION)
    if not token:
        return None
    context: Context = request.app.state.context
    with context.database.read() as session:
        return users.of_token(session, token, clock.now())


def _packed(said: str, undo: Undo | None, error: bool) -> str:
    value = {"said": said, "error": error, "undo": None if undo is None else {"action": undo.action, "fields": dict(undo.fields)}}
    return base64.urlsafe_b64encode(json.dumps(value, ensure_ascii=False).encode()).decode()


def _unpacked(cookie: str) -> dict[str, Any] | None:
    try:
        value = json.loads(base64.urlsafe_b64decode(cookie))
        return {"said": str(value["said"]), "error": bool(value["error"]), "undo": value["undo"]}
    except (ValueError, KeyError, TypeError):
        return None


Guest = Annotated[View, Depends(_guest)]
Viewer = Annotated[View, Depends(_signed_in)]
