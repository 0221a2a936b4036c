"""`rop user`: people who may sign in to the pages. A new one gets a one-time link to choose a password."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from core import clock
from core.errors import NotFound
from core.settings import Settings
from db import audit, users
from db.engine import Database
from db.models import User
from db.users import Role
from rop.context import Home, opened

ACTOR = "cli"
FIRST_LOGIN = "admin"
app = typer.Typer(help="People of the pages: create, invite, list, disable, enable.", no_args_is_help=True)


@app.command()
def create(
    login: str,
    home: Home = None,
    role: Annotated[str, typer.Option(help="admin, head, analyst or manager.")] = "head",
    name: Annotated[str, typer.Option(help="Full name, for people.")] = "",
    manager_id: Annotated[str | None, typer.Option(help="The manager's id in the CRM, for the role manager.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Print the one-time link alone.")] = False,
) -> None:
    """Add a person and print their one-time link."""
    with opened(home) as (settings, database), database.begin() as session:
        at = clock.now()
        user = users.create(session, login, _role(role), at, name=name, manager_id=manager_id)
        audit.write(session, ACTOR, "user.created", user.login, at, role=user.role)
        _tell(_link(session, settings, user), user, plain)


@app.command()
def invite(login: str, home: Home = None, plain: Annotated[bool, typer.Option("--plain", help="Print the link alone.")] = False) -> None:
    """Print a fresh one-time link, for a new browser or a forgotten password."""
    with opened(home) as (settings, database), database.begin() as session:
        user = _known(session, login)
        _tell(_link(session, settings, user), user, plain)


@app.command("list")
def list_users(home: Home = None) -> None:
    """Show everybody with their role and whether they may sign in."""
    table = Table("логин", "имя", "роль", "менеджер", "вход")
    with opened(home) as (_, database), database.read() as session:
        for user in users.listed(session):
            table.add_row(user.login, user.name, user.role, user.manager_id or "—", _state(user))
    Console().print(table if table.row_count else "Пользователей ещё нет: rop user create admin --role admin")


@app.command()
def disable(login: str, home: Home = None) -> None:
    """Let nobody in by this login any more, and end its sessions."""
    with opened(home) as (_, database), database.begin() as session:
        user = users.disable(session, _known(session, login).user_id, clock.now())
        audit.write(session, ACTOR, "user.disabled", user.login, clock.now())
    print(f"Вход для {login} закрыт.")


@app.command()
def enable(login: str, home: Home = None) -> None:
    """Let a person in again."""
    with opened(home) as (_, database), database.begin() as session:
        user = users.enable(session, _known(session, login).user_id)
        audit.write(session, ACTOR, "user.enabled", user.login, clock.now())
    print(f"Вход для {login} открыт.")


def first_link(settings: Settings) -> str | None:
    """On the first start, an administrator's one-time link; None when somebody was made already."""
    database = Database(settings.db_url)
    try:
        with database.begin() as session:
            if not users.is_empty(session):
                return None
            user = users.create(session, FIRST_LOGIN, "admin", clock.now())
            audit.write(session, ACTOR, "user.created", user.login, clock.now(), role=user.role)
            return _link(session, settings, user)
    finally:
        database.dispose()


def _link(session: Session, settings: Settings, user: User) -> str:
    at = clock.now()
    token = users.open_session(session, user.user_id, at, timedelta(seconds=settings.invite_seconds), "invite")
    audit.write(session, ACTOR, "user.invited", user.login, at)
    return f"{_base(settings)}/welcome?{urlencode({'token': token})}"


def _base(settings: Settings) -> str:
    """Where the pages answer: the public address, that of a running stack, or what the settings say."""
    running = settings.root / "stack.json"
    if settings.public_url is None and running.exists():
        return str(json.loads(running.read_text(encoding="utf-8"))["api_url"])
    return settings.public_url or f"http://{settings.api_host}:{settings.api_port}"


def _tell(link: str, user: User, plain: bool) -> None:
    print(link if plain else f"{link}\n\nОдноразовая ссылка для {user.login}: по ней выбирают пароль.")


def _known(session: Session, login: str) -> User:
    user = users.by_login(session, login)
    if user is None:
        raise NotFound(ru=f"Пользователя {login} нет.", en=f"There is no user {login}.")
    return user


def _role(text: str) -> Role:
    for role in users.ROLES:
        if role == text:
            return role
    raise typer.BadParameter("admin, head, analyst or manager")


def _state(user: User) -> str:
    return "закрыт" if user.disabled_at else "открыт" if user.password_hash else "ждёт ссылки"
