"""`rop call`: a call is deleted after a question, or without one for scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from core import clock
from core.errors import NotFound
from core.settings import Settings
from db import calls, migrate
from db.calls import NewCall
from db.engine import Database
from db.models import Audit
from rop.cli import app


def delete(home: Path, *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["call", "delete", "c1", "--home", str(home), *arguments], input=answer)


def test_a_call_is_deleted_after_a_question(tmp_path: Path) -> None:
    database = Database(Settings(home=tmp_path).db_url)
    migrate.upgrade(database)
    with database.begin() as session:
        calls.accept(session, NewCall("c1", "m", "d", "s", "http://crm.invalid/a.mp3", None), clock.now())
    assert delete(tmp_path, answer="n\n").exit_code == 1
    with database.read() as session:
        assert calls.get(session, "c1").status == "received"
    assert "удалён" in delete(tmp_path, answer="y\n").output
    with database.read() as session:
        with pytest.raises(NotFound):
            calls.get(session, "c1")
        assert session.scalars(select(Audit.actor)).all() == ["cli"]
    assert isinstance(delete(tmp_path, "--yes").exception, NotFound)
    database.dispose()
