"""Signing in and out, one-time links, a person's own settings."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.form import Form
from api.pages.view import LANGUAGE, SESSION, THEME, YEAR, Guest, View, Viewer, own_path
from core.errors import InvalidInput, RateLimited
from db import audit, users
from db.models import User

PER_ADDRESS = 4  # logins tried from one address, as a multiple of `sign_in_limit`
PER_LOGIN = 12  # from all addresses together: slow guessing from many places is noticed, its victim is not locked out by one
router = APIRouter()


@router.get("/sign-in")
def show(view: Guest, next: str = "/") -> Response:
    """The form, or the wanted page for who is signed in already."""
    if view.user is not None:
        return view.go(own_path(next))
    with view.context.database.read() as session:
        empty = users.is_empty(session)
    return view.render("sign_in.html", next=own_path(next), problem="", login="", empty=empty)


@router.post("/sign-in")
def sign_in(view: Guest, form: Form) -> Response:
    """A session for the right password; the same answer for a wrong login and a wrong password."""
    login, password, wanted = users.normal(form.get("login", "")), form.get("password", ""), own_path(form.get("next", "/"))
    problem = _throttled(view, login)
    if problem:
        return view.render("sign_in.html", 429, next=wanted, problem=problem, login=login, empty=False)
    with view.context.database.read() as session:
        user = users.by_login(session, login)
    if not users.is_password_of(user, password) or user is None:
        problem = view.t("Неверный логин или пароль.")
        return view.render("sign_in.html", 401, next=wanted, problem=problem, login=login, empty=False)
    return _welcome(view, user, wanted)


@router.post("/sign-out")
def sign_out(view: Guest) -> Response:
    """End this browser's session."""
    token = view.request.cookies.get(SESSION)
    if token:
        with view.context.database.begin() as session:
            users.close_session(session, token)
    answer = view.go("/sign-in")
    answer.delete_cookie(SESSION, path="/")
    return answer


@router.get("/welcome")
def invited(view: Guest, token: str = "") -> Response:
    """The page of a one-time link: a new person chooses a password. The token is no path, for paths are logged."""
    with view.context.database.read() as session:
        user = users.of_token(session, token, view.at, "invite")
    return view.render("welcome.html", 200 if user else 410, invited=user, token=token, problem="")


@router.post("/welcome")
def choose_password(view: Guest, form: Form) -> Response:
    """Set the password, use up the link, sign in."""
    token, password = form.get("token", ""), form.get("password", "")
    with view.context.database.read() as session:
        user = users.of_token(session, token, view.at, "invite")
    if user is None:
        return view.render("welcome.html", 410, invited=None, token="", problem="")
    try:
        _same(password, form.get("repeat", ""))
        hashed = users.hash_password(password)
    except InvalidInput as error:
        return view.render("welcome.html", 400, invited=user, token=token, problem=error.text(view.language))
    with view.context.database.begin() as session:
        users.set_password(session, user.user_id, hashed)
        audit.write(session, user.login, "user.password", user.login, view.at)
    return _welcome(view, user, "/")


@router.get("/account")
def account(view: Viewer) -> Response:
    """A person's own settings."""
    return view.render("account.html")


@router.post("/account/password")
def change_password(view: Viewer, form: Form) -> Response:
    """A new password, for who knows the old one; every other browser is signed out."""
    assert view.user is not None  # noqa: S101  for the type checker: a Viewer is somebody
    problem = _throttled(view, view.login)
    if problem or not users.is_password_of(view.user, form.get("old", "")):
        return view.go("/account", problem or view.t("Прежний пароль неверен."), error=True)
    _same(form.get("password", ""), form.get("repeat", ""))
    hashed = users.hash_password(form.get("password", ""))
    with view.context.database.begin() as session:
        users.set_password(session, view.user.user_id, hashed)
        audit.write(session, view.login, "user.password", view.login, view.at)
    return _welcome(view, view.user, "/account", view.t("Пароль изменён."))


@router.post("/language")
def language(view: Guest, form: Form) -> Response:
    """Russian or English, kept in this browser."""
    answer = view.go(own_path(form.get("next", "/")))
    answer.set_cookie(LANGUAGE, "en" if form.get("language") == "en" else "ru", max_age=YEAR, **view.cookie)
    return answer


@router.post("/theme")
def theme(view: Guest, form: Form) -> Response:
    """Light, dark, or as the system has it, kept in this browser."""
    answer = view.go(own_path(form.get("next", "/")))
    answer.set_cookie(THEME, form.get("theme", "") if form.get("theme") in ("light", "dark") else "", max_age=YEAR, **view.cookie)
    return answer


def _welcome(view: View, user: User, path: str, said: str = "") -> Response:
    lasts = timedelta(seconds=view.context.settings.session_seconds)
    with view.context.database.begin() as session:
        token = users.open_session(session, user.user_id, view.at, lasts)
        audit.write(session, user.login, "user.signed_in", user.login, view.at)
    answer = view.go(path, said)
    answer.set_cookie(SESSION, token, max_age=int(lasts.total_seconds()), **view.cookie)
    return answer


def _throttled(view: View, login: str) -> str:
    """What to tell who tries too often; empty for everybody else."""
    limit = view.context.settings.sign_in_limit
    host = view.request.client.host if view.request.client else ""
    buckets = (
        (f"sign-in:{host}:{quote(login)}", limit),
        (f"sign-in-from:{host}", PER_ADDRESS * limit),
        (f"sign-in-as:{quote(login)}", PER_LOGIN * limit),
    )
    waits = [view.context.limiter.admit(bucket, size, view.at.timestamp()) for bucket, size in buckets]
    longest = max((wait for wait in waits if wait is not None), default=None)
    return "" if longest is None else RateLimited(retry_after=int(longest) + 1).text(view.language)


def _same(password: str, repeat: str) -> None:
    if password != repeat:
        raise InvalidInput("passwords_differ", ru="Пароли не совпадают.", en="The passwords differ.")
