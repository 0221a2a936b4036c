"""Backup and restore: taken while calls come and end, refused where it would overwrite, and the calls go on in the new place."""

from __future__ import annotations

import json
import shutil
import stat
import threading
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from bench import _year
from core import clock, ids
from core.errors import RopError
from core.secrets import server_secret
from core.settings import Settings
from core.storage import Storage
from db import calls, dump, keys, migrate, results, search
from db.calls import NewCall
from db.engine import Database
from db.models import Base, Call, Delivery, Recording, Result, TranscriptRow
from rop import backup
from rop.archive import Archive, BackupDamaged, BackupFailed, writing
from rop.cli import app
from tasks.dispatch import trigger
from tasks.prefect_api import PrefectApi
from tests.peers import databases
from tests.peers.prefect_peer import PrefectPeer
from warehouse import query

SOUND = b"ogg" * 100


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Settings:
    """An installation on each database with twenty judged calls and one key of the CRM."""
    settings = Settings(home=tmp_path / "old", database_url=database.url)
    settings.root.mkdir()
    server_secret(settings)
    with database.begin() as session:
        _year.store_directory(session)
        for call_id in _year.store(session, _year.states(20, seed=2)):
            if row := session.get(Recording, call_id):
                row.path = f"{ids.stable_id('rec', call_id)}.ogg"
                keep(settings, row.path)
        keys.create(session, server_secret(settings), "CRM", clock.now())
    return settings


def keep(settings: Settings, path: str) -> None:
    storage = Storage(settings)
    part = storage.part("x")
    part.write_bytes(SOUND)
    storage.put(part, path)


def elsewhere(tmp_path: Path, **values: Any) -> Settings:
    """An empty installation with a database of its own."""
    return Settings(home=tmp_path / "new", **values)


def rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that a backup holds."""
    with database.read() as session:
        tables = [Base.metadata.tables[name] for name in dump.names()]
        return {t.name: [tuple(row) for row in session.execute(select(t).order_by(*t.primary_key))] for t in tables}


def opened(settings: Settings) -> Any:
    database = Database(settings.db_url)
    return closing(type("Opened", (), {"close": staticmethod(database.dispose), "database": database}))


def test_the_same_rows_recordings_keys_and_reports_are_in_the_new_place(house: Settings, database: Database, tmp_path: Path) -> None:
    file, new = tmp_path / "copy.zip", elsewhere(tmp_path)
    before = rows(database)
    assert backup.save(house, file, with_audio=True) == []
    done = backup.bring_back(new, file)
    with opened(new) as there:
        after = rows(there.database)
        assert before.pop("audit") == after.pop("audit")[:-1]
        assert before == after
        with there.database.read() as session:
            words = session.scalars(select(TranscriptRow.text)).first() or ""
            assert words == "" or session.execute(search.matches("sqlite", words.split()[0])).all()
    assert done.recordings == len(before["recordings"])
    assert all((Path(new.audio_url) / row[1]).read_bytes() == SOUND for row in after["recordings"])
    assert server_secret(new) == server_secret(house)
    assert query("SELECT count(*) FROM fact_call", new)[1] == [(20,)]


def test_the_file_and_the_secret_are_for_their_owner_alone(house: Settings, tmp_path: Path) -> None:
    file, new = tmp_path / "copy.zip", elsewhere(tmp_path)
    backup.save(house, file, with_audio=False)
    backup.bring_back(new, file)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, new.root / "secret")] == [0o600, 0o600]


def test_an_installation_moves_to_postgresql_and_numbers_go_on(
    house: Settings, database: Database, tmp_path: Path, postgres_url: str
) -> None:
    if not database.is_sqlite:
        pytest.skip("from SQLite to PostgreSQL")
    file = tmp_path / "copy.zip"
    before = rows(database)
    backup.save(house, file, with_audio=False)
    target = Database(postgres_url)
    with target.begin() as session:
        session.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    backup.bring_back(elsewhere(tmp_path, database_url=postgres_url), file)
    after = rows(target)
    assert {name: len(found) for name, found in before.items() if name != "audit"} == {n: len(f) for n, f in after.items() if n != "audit"}
    assert before["results"] == after["results"]
    with target.begin() as session:
        calls.accept(session, NewCall("next", "m", "d", "s", "http://crm.invalid/a.mp3", None), clock.now())
    target.dispose()


def test_a_warehouse_that_cannot_be_built_now_undoes_nothing(
    house: Settings, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "copy.zip"
    backup.save(house, file, with_audio=False)
    if not database.is_sqlite:
        monkeypatch.setenv("ROP_DATABASE_URL", database.url)
        with database.begin() as session:
            session.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    monkeypatch.setenv("ROP_LAKE_CATALOG", "postgresql://rop:password@127.0.0.1:1/rop")
    new = elsewhere(tmp_path)
    answer = CliRunner().invoke(app, ["restore", str(file), "--home", str(new.root)], catch_exceptions=False)
    assert answer.exit_code == 0
    assert f"Витрина не построена: Каталог витрины недоступен. Постройте её: rop warehouse rebuild --home {new.root}" in answer.stderr
    assert server_secret(new) == server_secret(house)
    monkeypatch.delenv("ROP_LAKE_CATALOG")
    assert "звонков: 20" in CliRunner().invoke(app, ["warehouse", "rebuild", "--home", str(new.root)], catch_exceptions=False).stdout
    assert query("SELECT count(*) FROM fact_call", elsewhere(tmp_path))[1] == [(20,)]


def interrupted(_session: Session, _at: datetime) -> int:
    raise KeyboardInterrupt


def cut_off(session: Session, _at: datetime) -> int:
    """The server ends the connection in the middle."""
    session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    raise AssertionError("it would go on")


@pytest.mark.parametrize("end", [interrupted, cut_off])
def test_a_restore_that_broke_off_is_repeated(
    house: Settings, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Callable[[Session, datetime], int]
) -> None:
    if database.is_sqlite and end is cut_off:
        pytest.skip("no connection")
    file = tmp_path / "copy.zip"
    before = rows(database)
    backup.save(house, file, with_audio=True)
    if not database.is_sqlite:
        with database.begin() as session:
            session.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    new = elsewhere(tmp_path, database_url=None if database.is_sqlite else database.url)
    with monkeypatch.context() as patched:
        patched.setattr("db.calls.revive", end)
        with pytest.raises((KeyboardInterrupt, OperationalError)):
            backup.bring_back(new, file)
    assert list(new.root.iterdir()) == []
    backup.bring_back(new, file)
    with opened(new) as there:
        assert rows(there.database)["calls"] == before["calls"]


@pytest.mark.parametrize("trouble", [duckdb.IOException("at password=secret"), OSError("No space left on device")])
def test_the_trouble_of_the_warehouse_is_named_without_its_words(
    house: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    def fail(*_: object) -> None:
        raise trouble

    monkeypatch.setattr("tasks.load.rebuild", fail)
    file = tmp_path / "copy.zip"
    backup.save(house, file, with_audio=False)
    assert backup.bring_back(elsewhere(tmp_path), file).no_warehouse == f"{type(trouble).__name__}."


class Load(threading.Thread):
    """Calls that are accepted, claimed and ended without a pause; what it ends has its result in the same transaction."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._database = Database(url)
        self._stop_asked = threading.Event()
        self.made = 0

    def run(self) -> None:
        while not self._stop_asked.is_set():
            self._one(f"load_{self.made:05}")
            self.made += 1

    def end(self) -> None:
        self._stop_asked.set()
        self.join(20)
        self._database.dispose()

    def _one(self, call_id: str) -> None:
        at = clock.now()
        with self._database.begin() as session:
            calls.accept(session, NewCall(call_id, "mgr_001", "d", "s", "http://crm.invalid/a.mp3", None), at)
        if self.made % 3 == 0:
            return
        with self._database.begin() as session:
            token = calls.claim(session, call_id, f"run-{call_id}", at, 60).token
        if self.made % 3 == 1:
            return
        with self._database.begin() as session:
            calls.finish(session, call_id, token, "done", at)
            results.save(session, call_id, "table", "deal", "table1", {"fields": []}, at)


@pytest.mark.slow
def test_a_copy_taken_under_load_is_of_one_moment_and_its_calls_go_on(house: Settings, database: Database, tmp_path: Path) -> None:
    file, new = tmp_path / "copy.zip", elsewhere(tmp_path)
    load = Load(house.db_url)
    load.start()
    while load.made < 20:
        assert load.is_alive()
    backup.save(house, file, with_audio=True)
    seen = load.made
    while load.made < seen + 10:
        assert load.is_alive(), "the stack went on meanwhile"
    load.end()
    done = backup.bring_back(new, file)
    with opened(new) as there, PrefectPeer() as prefect:
        with there.database.read() as session:
            named = Call.call_id.like("load_%")
            states = Counter(session.scalars(select(Call.status).where(named)))
            judged = session.scalar(select(func.count()).select_from(Result).where(Result.call_id.like("load_%")))
            waiting = calls.untriggered(session, clock.now(), 10_000)
        assert 0 < sum(states.values()) < load.made
        assert states["done"] == judged
        assert set(states) == {"done", "received"}
        assert done.revived == states["received"] == len(waiting)
        api = PrefectApi(new.model_copy(update={"prefect_api_url": prefect.url}))
        runs = {trigger(there.database, api, new, call.call_id) for call in waiting}
        api.close()
        assert len(runs) == len(waiting)
        with there.database.begin() as session:
            again = calls.claim(session, waiting[0].call_id, prefect.runs[next(iter(prefect.runs))], clock.now(), 60)
            assert calls.finish(session, again.call.call_id, again.token, "no_speech", clock.now()).attempt == 2
            assert "restored" in [step.name for step in calls.timeline(session, again.call.call_id)]


def test_an_unfinished_call_whose_recording_stayed_behind_fetches_it_again(house: Settings, database: Database, tmp_path: Path) -> None:
    file, new = tmp_path / "copy.zip", elsewhere(tmp_path)
    with database.begin() as session:
        ended, unfinished = session.scalars(select(Recording.call_id).order_by(Recording.call_id).limit(2)).all()
        session.get_one(Call, unfinished).status = "transcribing"
    backup.save(house, file, with_audio=False)
    backup.bring_back(new, file)
    with opened(new) as there, there.database.read() as session:
        assert session.get(Recording, unfinished) is None
        assert session.get(Recording, ended) is not None


def test_waiting_webhooks_keep_their_id_and_their_bytes(house: Settings, database: Database, tmp_path: Path) -> None:
    file, new = tmp_path / "copy.zip", elsewhere(tmp_path)
    with database.begin() as session:
        row = session.scalars(select(Delivery)).first()
        assert row is not None
        row.status, row.body = "pending", '{"имя": "Ферапонт"}'.encode()
        kept = (row.delivery_id, row.body)
    backup.save(house, file, with_audio=False)
    backup.bring_back(new, file)
    with opened(new) as there, there.database.read() as session:
        again = session.get_one(Delivery, kept[0])
        assert (again.status, again.body) == ("pending", kept[1])


def test_a_copy_of_an_older_schema_is_migrated(house: Settings, tmp_path: Path) -> None:
    old = Settings(home=tmp_path / "older")
    before = Database(old.db_url)
    migrate.upgrade(before, "0001")
    at = clock.now().isoformat()
    values = {
        "call_id": "c1",
        "manager_id": "m",
        "deal_id": "d",
        "deal_stage_id": "s",
        "audio_url": "u",
        "received_at": at,
        "status": "failed",
    }
    more = {"priority": "live", "attempt": 1, "warnings": [], "progress": 0.0, "runs": 1}
    kinds = dict.fromkeys(values | more, "plain") | {"received_at": "time", "warnings": "json"}
    before.dispose()
    file = tmp_path / "older.zip"
    with writing(file) as archive:
        row = [*values.values(), *more.values()]
        lines = (json.dumps(line) + "\n" for line in ({"table": "calls", "columns": kinds}, row))
        archive.add("tables/calls.jsonl", (line.encode() for line in lines))
        archive.add("secret", [(house.root / "secret").read_bytes()])
        archive.close({"revision": "0001", "made_at": at, "secret": "", "rows": {}})
    new = elsewhere(tmp_path)
    assert backup.bring_back(new, file).rows == 1
    with opened(new) as there, there.database.read() as session:
        assert migrate.is_current(there.database)
        assert calls.get(session, "c1").status == "failed"


def damaged(file: Path, how: str) -> None:
    """Change the archive the way a bad disk, or a careful forger, would."""
    if how == "cut":
        file.write_bytes(file.read_bytes()[:-200])
    elif how == "flipped":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
    elif how == "added":
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("../../evil", "x")
    else:
        changed = file.with_suffix(".changed")
        with zipfile.ZipFile(file) as source, zipfile.ZipFile(changed, "w") as target:
            for name in source.namelist():
                target.writestr(name, source.read(name) + (b"\n" if name.endswith("calls.jsonl") else b""))
        shutil.move(changed, file)


@pytest.mark.parametrize("how", ["cut", "flipped", "added", "rewritten"])
def test_a_damaged_copy_is_refused_and_leaves_nothing(house: Settings, database: Database, tmp_path: Path, how: str) -> None:
    if not database.is_sqlite:
        pytest.skip("the file is the same")
    file, new = tmp_path / "copy.zip", elsewhere(tmp_path)
    backup.save(house, file, with_audio=True)
    damaged(file, how)
    with pytest.raises(BackupDamaged):
        backup.bring_back(new, file)
    assert not new.root.exists() or list(new.root.iterdir()) == []


def test_nothing_is_overwritten(house: Settings, database: Database, tmp_path: Path) -> None:
    file = tmp_path / "copy.zip"
    backup.save(house, file, with_audio=False)
    with pytest.raises(BackupFailed):
        backup.save(house, file, with_audio=False)
    with pytest.raises(backup.NotEmpty):
        backup.bring_back(house, file)
    if not database.is_sqlite:
        with pytest.raises(backup.NotEmpty):
            backup.bring_back(elsewhere(tmp_path, database_url=database.url), file)
    assert len(rows(database)["calls"]) == 20


def test_what_cannot_be_used_here_is_refused(house: Settings, tmp_path: Path) -> None:
    file = tmp_path / "copy.zip"
    backup.save(house, file, with_audio=False)
    with pytest.raises(backup.SecretDiffers):
        backup.bring_back(elsewhere(tmp_path, secret=SecretStr("another")), file)
    with Archive(file) as archive:
        newer = archive.manifest | {"revision": "9999"}
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(tmp_path / "newer.zip", "w") as target:
        for name in source.namelist():
            target.writestr(name, json.dumps(newer) if name == "manifest.json" else source.read(name))
    with pytest.raises(migrate.SchemaTooNew):
        backup.bring_back(elsewhere(tmp_path), tmp_path / "newer.zip")


def test_a_secret_from_the_environment_stays_out_of_the_file(tmp_path: Path) -> None:
    given = SecretStr("from-the-environment")
    old = Settings(home=tmp_path / "old", secret=given)
    database = databases.empty(old.db_url)
    database.dispose()
    file = tmp_path / "copy.zip"
    backup.save(old, file, with_audio=False)
    assert b"from-the-environment" not in file.read_bytes()
    with pytest.raises(backup.SecretDiffers):
        backup.bring_back(elsewhere(tmp_path), file)
    backup.bring_back(elsewhere(tmp_path, secret=given), file)


def test_a_full_disk_leaves_no_half_of_a_copy(house: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    with pytest.raises(BackupFailed):
        backup.save(house, folder / "copy.zip", with_audio=False)
    assert not folder.exists()


def test_the_commands(tmp_path: Path) -> None:
    home, file, new = tmp_path / "home", tmp_path / "copy.zip", tmp_path / "new"

    def run(*arguments: str) -> str:
        answer = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert answer.exit_code == 0, answer.output
        return answer.stdout

    with pytest.raises(RopError):
        run("backup", str(file), "--home", str(home))
    run("key", "create", "--label", "CRM", "--home", str(home), "--plain")
    assert "МБ" in run("backup", str(file), "--home", str(home), "--with-audio")
    assert "незаконченных звонков, которые начнутся заново: 0" in run("restore", str(file), "--home", str(new))
    assert "CRM" in run("key", "list", "--home", str(new))
