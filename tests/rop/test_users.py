"""`rop user`: people and their one-time links, and the link of the first start."""

from __future__ import annotations

import json
import re
from pathlib import Path

from typer.testing import CliRunner

from core import clock
from core.settings import Settings
from db import users
from db.engine import Database
from rop import users as command
from rop.cli import app
from tests.peers import databases

LINK = re.compile(r"^http://127\.0\.0\.1:8000/welcome\?token=([\w-]{43})$")


def run(home: Path, *arguments: str) -> str:
    answer = CliRunner().invoke(app, ["user", *arguments, "--home", str(home)], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.stdout.strip()


def holder(home: Path, token: str) -> str | None:
    database = Database(Settings(home=home).db_url)
    with database.read() as session:
        user = users.of_token(session, token, clock.now(), "invite")
    database.dispose()
    return user.login if user else None


def test_a_person_gets_a_link_that_is_theirs(tmp_path: Path) -> None:
    link = LINK.match(run(tmp_path, "create", "Анна", "--role", "head", "--plain"))
    assert link is not None
    assert holder(tmp_path, link[1]) == "анна"
    assert "ждёт ссылки" in run(tmp_path, "list")
    again = LINK.match(run(tmp_path, "invite", "АННА", "--plain"))
    assert again is not None
    assert holder(tmp_path, again[1]) == "анна"


def test_a_closed_sign_in_ends_the_link(tmp_path: Path) -> None:
    run(tmp_path, "create", "boss", "--role", "admin")
    link = LINK.match(run(tmp_path, "create", "two", "--role", "admin", "--plain"))
    assert link is not None
    run(tmp_path, "disable", "two")
    assert holder(tmp_path, link[1]) is None
    assert "закрыт" in run(tmp_path, "list")
    run(tmp_path, "enable", "two")


def test_the_first_start_prints_one_link_and_only_the_first(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    database = databases.empty(settings.db_url)
    database.dispose()
    (tmp_path / "stack.json").write_text(json.dumps({"api_url": "http://127.0.0.1:4321"}))
    link = command.first_link(settings)
    assert link is not None
    assert link.startswith("http://127.0.0.1:4321/welcome?token=")
    assert holder(tmp_path, link.partition("=")[2]) == "admin"
    assert command.first_link(settings) is None
