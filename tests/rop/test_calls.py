"""`rop call`: a call is deleted after a question, or without one for scripts; failed ones are counted and tried again."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from core import clock
from core.errors import BadAudio, NotFound, Unavailable
from core.settings import Settings
from db import calls
from db.calls import NewCall
from db.models import Audit
from rop.cli import app
from tasks.prefect_api import PrefectUnavailable
from tests.peers import databases


def delete(home: Path, *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["call", "delete", "c1", "--home", str(home), *arguments], input=answer)


def test_a_call_is_deleted_after_a_question(tmp_path: Path) -> None:
    database = databases.empty(Settings(home=tmp_path).db_url)
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


def retry(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["call", "retry", *arguments, "--home", str(home)])


def test_failed_calls_are_counted_before_they_are_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROP_PREFECT_API_URL", "http://127.0.0.1:9/api")
    database = databases.empty(Settings(home=tmp_path).db_url)
    for call_id, reason in {"c1": Unavailable("storage_unavailable"), "c2": Unavailable("storage_unavailable"), "c3": BadAudio()}.items():
        with database.begin() as session:
            calls.accept(session, NewCall(call_id, "m", "d", "s", "http://crm.invalid/a.mp3", None), clock.now())
            token = calls.claim(session, call_id, "run", clock.now(), 60).token
            calls.finish(session, call_id, token, "failed", clock.now(), reason)
    counted = retry(tmp_path, "--since", "2020-01-01", "--check")
    assert (counted.exit_code, counted.output) == (0, "  storage_unavailable: 2\nПовторить: 2\nНе выбраны: not_audio 1\n")
    assert "  not_audio: 1\nПовторить: 1\n" in retry(tmp_path, "--since", "2020-01-01", "--code", "not_audio", "--check").output
    assert retry(tmp_path, "c1", "c3", "--check").output == "  storage_unavailable: 1\n  not_audio: 1\nПовторить: 2\n"
    assert isinstance(retry(tmp_path, "c1").exception, PrefectUnavailable)
    assert retry(tmp_path, "--since", "2099-01-01").output == "Повторить: 0\n", "Prefect is not asked for nothing"
    with database.read() as session:
        assert calls.get(session, "c1").status == "failed"
    database.dispose()


@pytest.mark.parametrize("arguments", [(), ("c1", "--since", "2020-01-01"), ("c1", "--code", "not_audio")])
def test_it_is_said_which_calls_to_try_again(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert retry(tmp_path, *arguments).exit_code == 2
