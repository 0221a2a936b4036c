"""People, passwords, sessions and one-time links, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core import clock
from core.errors import InvalidInput
from db import users
from db.engine import Database

NOW = clock.now()
DAY = timedelta(days=1)


@pytest.fixture
def boss(database: Database) -> str:
    with database.begin() as session:
        return users.create(session, "Boss", "admin", NOW).user_id


def test_a_login_knows_no_case_and_is_taken_once(database: Database, boss: str) -> None:
    with database.begin() as session:
        assert users.by_login(session, " BOSS ").user_id == boss  # type: ignore[union-attr]
        with pytest.raises(users.LoginTaken):
            users.create(session, "bOSS", "head", NOW)


@pytest.mark.parametrize(("login", "role", "manager"), [("", "head", None), ("x", "king", None), ("x", "manager", None)])
def test_a_person_needs_a_login_a_known_role_and_a_manager_their_id(database: Database, login: str, role: str, manager: str | None) -> None:
    with database.begin() as session, pytest.raises(InvalidInput):
        users.create(session, login, role, NOW, manager_id=manager)  # type: ignore[arg-type]


def test_only_the_right_password_of_an_enabled_person_is_right(database: Database, boss: str) -> None:
    hashed = users.hash_password("long enough")
    assert "long enough" not in hashed
    with database.begin() as session:
        users.create(session, "second", "admin", NOW)
        users.set_password(session, boss, hashed)
        user = users.get(session, boss)
        assert users.is_password_of(user, "long enough")
        assert not users.is_password_of(user, "long enougH")
        assert not users.is_password_of(None, "long enough")
        assert not users.is_password_of(users.by_login(session, "second"), "")
        assert not users.is_password_of(users.disable(session, boss, NOW), "long enough")


@pytest.mark.parametrize("password", ["", "short", "x" * 513])
def test_a_password_has_a_sensible_length(password: str) -> None:
    with pytest.raises(users.WeakPassword):
        users.hash_password(password)


def test_a_token_opens_its_own_purpose_until_it_expires(database: Database, boss: str) -> None:
    with database.begin() as session:
        token = users.open_session(session, boss, NOW, DAY)
        assert users.of_token(session, token, NOW + DAY / 2).user_id == boss  # type: ignore[union-attr]
        assert users.of_token(session, token, NOW + DAY) is None
        assert users.of_token(session, token, NOW, "invite") is None
        assert users.of_token(session, "", NOW) is None
        users.close_session(session, token)
        assert users.of_token(session, token, NOW) is None


def test_a_new_password_and_a_closed_sign_in_end_every_session_and_link(database: Database, boss: str) -> None:
    with database.begin() as session:
        other = users.create(session, "other", "admin", NOW).user_id
        tokens = [
            (users.open_session(session, who, NOW, DAY), users.open_session(session, who, NOW, DAY, "invite")) for who in (boss, other)
        ]
        users.set_password(session, boss, users.hash_password("long enough"))
        users.disable(session, other, NOW)
        for cookie, link in tokens:
            assert users.of_token(session, cookie, NOW) is None
            assert users.of_token(session, link, NOW, "invite") is None


def test_the_last_administrator_stays_one(database: Database, boss: str) -> None:
    with database.begin() as session:
        with pytest.raises(users.LastAdmin):
            users.disable(session, boss, NOW)
        with pytest.raises(users.LastAdmin):
            users.set_role(session, boss, "head", None)
        users.create(session, "second", "admin", NOW)
        assert users.set_role(session, boss, "head", None).role == "head"


def test_the_first_start_is_over_with_the_first_person(database: Database) -> None:
    with database.begin() as session:
        assert users.is_empty(session)
        users.create(session, "boss", "admin", NOW)
        assert not users.is_empty(session)
