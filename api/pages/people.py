"""«Пользователи» and «Журнал изменений»: who may sign in as what, and who changed what."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.pages.form import Form, Key
from api.pages.view import Undo, View, Viewer
from core.errors import InvalidInput
from db import audit, overview, users
from db.models import User
from db.users import Role

LINES = 100  # audit lines on one page
router = APIRouter(prefix="/settings")


@router.get("/people")
def show(view: Viewer) -> Response:
    """Everybody, and a form for one more."""
    view.need("people")
    with view.context.database.read() as session:
        return view.render("people.html", people=users.listed(session), managers=overview.choices(session).managers, roles=users.ROLES)


@router.post("/people")
def create(view: Viewer, form: Form) -> Response:
    """A new person and their one-time link."""
    view.need("people")
    with view.context.database.begin() as session:
        manager = form.get("manager") or None
        user = users.create(session, form.get("login", ""), _role(form), view.at, name=form.get("name", "")[:200], manager_id=manager)
        audit.write(session, view.login, "user.created", user.login, view.at, role=user.role)
        link = _invite(session, view, user)
    return _told(view, link, user)


@router.post("/people/{key}/invite")
def invite(view: Viewer, key: Key) -> Response:
    """A one-time link to choose a new password; the old one works until then."""
    view.need("people")
    with view.context.database.begin() as session:
        user = users.get(session, key)
        link = _invite(session, view, user)
    return _told(view, link, user)


@router.post("/people/{key}/role")
def role(view: Viewer, key: Key, form: Form) -> Response:
    """What a person may do."""
    view.need("people")
    with view.context.database.begin() as session:
        before = users.get(session, key)
        undo = Undo(f"/settings/people/{key}/role", {"role": before.role, "manager": before.manager_id or ""})
        user = users.set_role(session, key, _role(form), form.get("manager") or None)
        audit.write(session, view.login, "user.role", user.login, view.at, role=user.role)
    return view.go("/settings/people", view.t("Роль изменена."), undo=undo)


@router.post("/people/{key}/disable")
def disable(view: Viewer, key: Key) -> Response:
    """Nobody gets in by this login any more; what the person did stays."""
    view.need("people")
    with view.context.database.begin() as session:
        user = users.disable(session, key, view.at)
        audit.write(session, view.login, "user.disabled", user.login, view.at)
    return view.go(
        "/settings/people", view.t("Вход для {login} закрыт.", login=user.login), undo=Undo(f"/settings/people/{key}/enable", {})
    )


@router.post("/people/{key}/enable")
def enable(view: Viewer, key: Key) -> Response:
    """Let a person in again."""
    view.need("people")
    with view.context.database.begin() as session:
        user = users.enable(session, key)
        audit.write(session, view.login, "user.enabled", user.login, view.at)
    return view.go("/settings/people", view.t("Вход для {login} открыт.", login=user.login))


@router.get("/audit")
def changes(view: Viewer, before: str = "") -> Response:
    """Who changed what, newest first."""
    view.need("people")
    with view.context.database.read() as session:
        lines = audit.page(session, int(before) if before.isdecimal() else None, LINES + 1)
    older = lines[LINES - 1].audit_id if len(lines) > LINES else None
    return view.render("audit.html", lines=lines[:LINES], older=older)


def _role(form: Form) -> Role:
    for known in users.ROLES:
        if form.get("role") == known:
            return known
    raise InvalidInput(ru="Выберите роль.", en="Choose a role.")


def _invite(session: Session, view: View, user: User) -> str:
    token = users.open_session(session, user.user_id, view.at, timedelta(seconds=view.context.settings.invite_seconds), "invite")
    audit.write(session, view.login, "user.invited", user.login, view.at)
    base = view.context.settings.public_url or str(view.request.base_url).rstrip("/")
    return f"{base}/welcome?{urlencode({'token': token})}"


def _told(view: View, link: str, user: User) -> Response:
    title = view.t("Одноразовая ссылка для {login}", login=user.login)
    return view.render("secret.html", secret=link, back="/settings/people", title=title)
