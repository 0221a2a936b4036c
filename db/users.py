"""People who sign in to the pages: roles, passwords, sessions and one-time links.

Passwords are argon2id hashes; of a session or a link only the hash of its random token is stored.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cache
from typing import ClassVar, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from core import ids
from core.errors import Conflict, InvalidInput, NotFound
from db.models import LoginSession, User

Role = Literal["admin", "head", "analyst", "manager"]
Purpose = Literal["session", "invite"]
ROLES: tuple[Role, ...] = ("admin", "head", "analyst", "manager")
TOKEN_BYTES = 32
MIN_PASSWORD, MAX_PASSWORD = 10, 512  # characters; argon2 reads all of them, so their number is bounded
_HASHER = PasswordHasher()


class LoginTaken(Conflict):
    """Another person has this login."""

    code = "login_taken"
    texts: ClassVar[dict[str, str]] = {"ru": "Логин {login} уже занят.", "en": "The login {login} is taken."}


class WeakPassword(InvalidInput):
    """The password is too short or too long."""

    code = "weak_password"
    texts: ClassVar[dict[str, str]] = {
        "ru": f"Пароль должен быть не короче {MIN_PASSWORD} знаков.",
        "en": f"The password must have at least {MIN_PASSWORD} characters.",
    }


class LastAdmin(Conflict):
    """Somebody must be able to let others in."""

    code = "last_admin"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Это последний администратор: сначала назначьте другого.",
        "en": "This is the last administrator: appoint another one first.",
    }


def create(session: Session, login: str, role: Role, at: datetime, *, name: str = "", manager_id: str | None = None) -> User:
    """A person without a password, who comes in by an invitation; raises `LoginTaken` and `InvalidInput`."""
    login = normal(login)
    if not login or role not in ROLES or (role == "manager" and not manager_id):
        raise InvalidInput(
            ru="Нужны логин и роль; менеджеру ещё и его ID из CRM.", en="A login and a role are needed, a manager also needs the CRM's id."
        )
    if by_login(session, login) is not None:
        raise LoginTaken(login=login)
    user = User(user_id=f"user_{ids.token(8)}", login=login, name=name.strip(), role=role, created_at=at)
    user.manager_id = manager_id if role == "manager" else None
    session.add(user)
    session.flush()
    return user


def get(session: Session, user_id: str) -> User:
    """The person; raises `NotFound`."""
    user = session.get(User, user_id, populate_existing=True)
    if user is None:
        raise NotFound(ru="Такого пользователя нет.", en="No such user.")
    return user


def by_login(session: Session, login: str) -> User | None:
    """The person with this login, disabled or not."""
    return session.scalars(select(User).where(User.login == normal(login))).first()


def listed(session: Session) -> list[User]:
    """Everybody, those who may sign in first."""
    return list(session.scalars(select(User).order_by(User.disabled_at.is_not(None), User.role, User.login)))


def display_names(session: Session, logins: Collection[str]) -> dict[str, str]:
    """Names by login, for those who have one."""
    rows = session.execute(select(User.login, User.name).where(User.login.in_(logins))).tuples()
    return {login: name for login, name in rows if name}


def is_empty(session: Session) -> bool:
    """Whether nobody was ever made: the first start."""
    return session.scalar(select(func.count()).select_from(User)) == 0


def set_role(session: Session, user_id: str, role: Role, manager_id: str | None) -> User:
    """Change what a person may do; raises `LastAdmin`."""
    user = get(session, user_id)
    if role not in ROLES or (role == "manager" and not manager_id):
        raise InvalidInput(ru="Менеджеру нужен его ID из CRM.", en="A manager needs the CRM's id.")
    if role != "admin":
        _keep_an_admin(session, user)
    user.role, user.manager_id = role, manager_id if role == "manager" else None
    session.flush()
    return user


def disable(session: Session, user_id: str, at: datetime) -> User:
    """End the person's sessions and links and let nobody in by this login; raises `LastAdmin`."""
    user = get(session, user_id)
    _keep_an_admin(session, user)
    user.disabled_at = user.disabled_at or at
    session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))
    session.flush()
    return user


def enable(session: Session, user_id: str) -> User:
    """Let the person in again, with the password they had."""
    user = get(session, user_id)
    user.disabled_at = None
    session.flush()
    return user


def hash_password(password: str) -> str:
    """An argon2id hash, 50 ms of work: make it outside of a transaction. Raises `WeakPassword`."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise WeakPassword
    return _HASHER.hash(password)


def set_password(session: Session, user_id: str, password_hash: str) -> None:
    """Store a hash from `hash_password`; every open session and link of the person ends."""
    get(session, user_id).password_hash = password_hash
    session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))
    session.flush()


def is_password_of(user: User | None, password: str) -> bool:
    """Whether it is; equally slow for somebody who does not exist, is disabled or has no password."""
    stored = user.password_hash if user is not None and user.disabled_at is None else None
    try:
        _HASHER.verify(stored or _nobodys_hash(), password[:MAX_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def open_session(session: Session, user_id: str, at: datetime, lasts: timedelta, purpose: Purpose = "session") -> str:
    """A fresh token for a cookie, or for a one-time link (`invite`); it exists in the answer alone."""
    session.execute(delete(LoginSession).where(LoginSession.expires_at <= at))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    row = LoginSession(token_hash=_hash(token), user_id=user_id, purpose=purpose, created_at=at, expires_at=at + lasts)
    session.add(row)
    session.flush()
    return token


def of_token(session: Session, token: str, at: datetime, purpose: Purpose = "session") -> User | None:
    """Who holds this token now; None for an unknown or expired one and for a disabled person."""
    live = (LoginSession.token_hash == _hash(token), LoginSession.purpose == purpose, LoginSession.expires_at > at)
    found = select(User).join(LoginSession, LoginSession.user_id == User.user_id).where(*live, User.disabled_at.is_(None))
    return session.scalars(found).first()


def close_session(session: Session, token: str) -> None:
    """Forget the token; harmless when it is gone."""
    session.execute(delete(LoginSession).where(LoginSession.token_hash == _hash(token)))


def normal(login: str) -> str:
    """Logins know no case and no spaces around them."""
    return login.strip().casefold()[:128]


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_hex(16))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _keep_an_admin(session: Session, user: User) -> None:
    others = (User.role == "admin", User.disabled_at.is_(None), User.user_id != user.user_id)
    if user.role == "admin" and not session.scalar(select(func.count()).select_from(User).where(*others)):
        raise LastAdmin
