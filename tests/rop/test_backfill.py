"""A back-fill file: every error names its line, and the file may be given again."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import InvalidInput
from db import calls
from db.engine import Database
from rop import backfill
from rop.cli import app

HEAD = "call_id,manager_id,deal_id,deal_stage_id,audio_url,started_at,note"
ROW = "c{0},m1,d1,new,https://crm.company.com/{0}.mp3,2025-06-19T10:00:00+03:00,x"


def sheet(*rows: str) -> bytes:
    return "\n".join([HEAD, *rows]).encode()


def test_every_error_names_its_line_and_field() -> None:
    found = backfill.read(sheet(ROW.format(1), "c2,,d1,new,ftp://x/1.mp3,yesterday,", ROW.format(3)))
    assert [row.call_id for row in found.rows] == ["c1", "c3"]
    [error] = found.errors
    assert error.startswith("строка 3: ")
    assert all(name in error for name in ("manager_id", "audio_url", "started_at"))


def test_a_file_of_a_spreadsheet_is_understood() -> None:
    text = "\ufeffcall_id;manager_id;deal_id;deal_stage_id;audio_url\nзвонок 1;Иванов;d;s;https://crm.company.com/1.mp3\n"
    for content in (text.encode(), text.lstrip("\ufeff").encode("cp1251")):
        found = backfill.read(content)
        assert [(row.call_id, row.manager_id) for row in found.rows] == [("звонок 1", "Иванов")]


@pytest.mark.parametrize("content", [b"", b"call_id,audio_url\n"])
def test_a_heading_that_lacks_columns_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="manager_id"):
        backfill.read(content)


def test_given_again_it_takes_what_is_new(database: Database) -> None:
    rows = backfill.read(sheet(*(ROW.format(n) for n in range(450)), ROW.format(0))).rows
    progress = [(done, outcome["accepted"], outcome["known"]) for done, outcome in backfill.store(database, rows[:400])]
    assert progress == [(200, 200, 0), (400, 400, 0)]
    assert [(done, outcome["accepted"], outcome["known"]) for done, outcome in backfill.store(database, rows)][-1] == (451, 50, 401)
    with database.read() as session:
        call = calls.get(session, "c7")
    assert (call.priority, call.status, call.manager_id) == ("bulk", "received", "m1")


def test_the_command_refuses_a_bad_file_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes(sheet(ROW.format(1), "c2,,,,,,"))
    run = CliRunner().invoke(app, ["backfill", str(path), "--home", str(tmp_path / "home")])
    assert isinstance(run.exception, InvalidInput)
    assert "строка 3" in run.output
    assert not (tmp_path / "home").exists()
    run = CliRunner().invoke(app, ["backfill", str(path), "--skip-bad", "--home", str(tmp_path / "home")])
    assert "1 из 1: принято 1, уже известно 0" in run.output
