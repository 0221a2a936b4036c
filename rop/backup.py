"""`rop backup` and `rop restore`: the truth of an installation in one file, taken while it runs, brought back elsewhere."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, ClassVar

import duckdb
import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core import settings as settings_module
from core.errors import NotFound, PermanentError, RopError
from core.secrets import FILE as SECRET
from core.secrets import keyed_hash, server_secret
from core.settings import MIB, Settings
from core.storage import Storage
from db import audit, calls, dump, export, migrate
from db.engine import Database
from db.models import Call, Recording
from rop.archive import CHUNK_BYTES, Archive, Writer, writing
from rop.context import Home

ACTOR = "cli"
TABLES, AUDIO = "tables/", "audio/"


class NothingToBackUp(PermanentError):
    """There is no database of this version at that place."""

    code = "nothing_to_back_up"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Базы этой версии здесь нет: {where}. Перед копией базу обновляет rop up или любая команда rop.",
        "en": "There is no database of this version at {where}. `rop up` or any command of rop brings it up to date.",
    }


class NotEmpty(PermanentError):
    """A restore never overwrites."""

    code = "not_empty"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Восстанавливать можно только в пустое место, а {where} не пусто.",
        "en": "A restore needs an empty place, and {where} is not.",
    }


class SecretDiffers(PermanentError):
    """With another server secret no key of the CRM would be known and no webhook could be signed."""

    code = "secret_differs"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Задайте ROP_SECRET той установки, с которой сделана копия: без него не подойдёт ни один ключ CRM.",
        "en": "Set ROP_SECRET of the installation that was backed up: without it no key of the CRM would be known.",
    }


@dataclass(frozen=True)
class Restored:
    """What came back: rows of all tables, recordings, and calls that begin anew; why the warehouse is not there yet, if it is not."""

    rows: int
    recordings: int
    revived: int
    no_warehouse: str = ""


def backup(
    file: Annotated[Path, typer.Argument(help="File to write, such as rop-2025-06-19.zip.")],
    home: Home = None,
    with_audio: Annotated[bool, typer.Option("--with-audio", help="Include the recordings, wherever they are stored.")] = False,
) -> None:
    """Write everything that cannot be made anew into one file; the stack may run meanwhile.

    The database with all calls, results, definitions, keys and people, and the server secret. Keep the file as you keep a password.
    The warehouse is built anew at the restore; the history of runs in Prefect is left out.
    """
    settings = settings_module.load(home)
    missing = save(settings, file, with_audio=with_audio)
    print(f"{file}: {file.stat().st_size / MIB:.1f} МБ." + (f" Записей не найдено: {len(missing)}." if missing else ""))


def restore(
    file: Annotated[Path, typer.Argument(help="A file made by rop backup.", exists=True, dir_okay=False)],
    home: Annotated[Path, typer.Option("--home", help="Folder of the new installation: empty, or not there yet.")],
) -> None:
    """Bring an installation back from a backup into an empty folder; `rop up --home` then goes on with its calls."""
    done = bring_back(settings_module.load(home), file)
    print(f"Восстановлено: строк {done.rows}, записей {done.recordings}; незаконченных звонков, которые начнутся заново: {done.revived}.")
    if done.no_warehouse:
        print(f"Витрина не построена: {done.no_warehouse} Постройте её: rop warehouse rebuild --home {home}", file=sys.stderr)


def save(settings: Settings, file: Path, *, with_audio: bool) -> list[str]:
    """Write the backup; the paths of recordings that the database knows and the storage does not have.

    Raises:
        NothingToBackUp: no database of this version.
        BackupFailed: the file exists or cannot be written.
    """
    database = _present(settings)
    try:
        with writing(file) as archive, export.snapshot(database) as session:
            rows = {name: _add_table(archive, session, name) for name in dump.names()}
            missing = _add_audio(archive, session, Storage(settings)) if with_audio else []
            _add_secret(archive, settings)
            facts = {"made_at": clock.now().isoformat(), "revision": migrate.revision_of(database), "rows": rows}
            archive.close(facts | {"with_audio": with_audio, "missing_audio": missing, "secret": _fingerprint(settings)})
        with database.begin() as session:
            audit.write(session, ACTOR, "backup.made", file.name, clock.now(), with_audio=with_audio)
    finally:
        database.dispose()
    return missing


def bring_back(settings: Settings, file: Path) -> Restored:
    """Restore into the empty home and database of the settings; after an error both are empty again.

    Schema and rows come in one transaction, so that a restore which broke off can be repeated. The warehouse comes last, and its trouble
    undoes nothing: it can be made at any time from what is there by then.

    Raises:
        NotEmpty: something is there already.
        BackupDamaged, SchemaTooNew, SecretDiffers: this backup cannot be restored here.
    """
    with Archive(file) as archive, _empty_home(settings) as database:
        _refuse_foreign(archive, settings)
        archive.verify()
        _put_secret(archive, settings)
        recordings = _put_audio(archive, Storage(settings))
        with migrate.alone(database) as connection, Session(connection) as session:
            rows = _put_rows(archive, session)
            _forget_lost_recordings(session, Storage(settings))
            revived = calls.revive(session, clock.now())
            audit.write(session, ACTOR, "backup.restored", file.name, clock.now(), made_at=archive.manifest["made_at"])
            session.flush()
    return Restored(rows, recordings, revived, _build_warehouse(settings))


def _present(settings: Settings) -> Database:
    """The database if it is there in the schema of this version; it is not touched otherwise."""
    where = settings.root / "rop.sqlite"
    if settings.database_url is None and not where.exists():
        raise NothingToBackUp(where=where)
    database = Database(settings.db_url)
    migrate.refuse_newer(database)
    if not migrate.is_current(database):
        raise NothingToBackUp(where=where if settings.database_url is None else "ROP_DATABASE_URL")
    return database


def _add_table(archive: Writer, session: Session, name: str) -> int:
    rows = -1

    def encoded() -> Iterator[bytes]:
        nonlocal rows
        for line in dump.lines(session, name):
            rows += 1
            yield f"{line}\n".encode()

    archive.add(f"{TABLES}{name}.jsonl", encoded())
    return rows


def _add_audio(archive: Writer, session: Session, storage: Storage) -> list[str]:
    missing = []
    for path in session.scalars(select(Recording.path).where(Recording.deleted_at.is_(None)).order_by(Recording.path)):
        try:
            with storage.open(path) as sound:
                archive.add(f"{AUDIO}{path}", iter(lambda: sound.read(CHUNK_BYTES), b""), packed=False)
        except NotFound:
            missing.append(path)
    return missing


def _add_secret(archive: Writer, settings: Settings) -> None:
    if settings.secret is None:
        server_secret(settings)
        archive.add(SECRET, [(settings.root / SECRET).read_bytes()])


def _fingerprint(settings: Settings) -> str:
    """Tells whether a secret is the same without telling which."""
    return keyed_hash(server_secret(settings)[0], "backup", "fingerprint")


@contextmanager
def _empty_home(settings: Settings) -> Iterator[Database]:
    """The database of a home in which there is nothing yet, and will be nothing after an error."""
    if settings.root.exists() and any(settings.root.iterdir()):
        raise NotEmpty(where=settings.root)
    settings.root.mkdir(parents=True, exist_ok=True)
    database = Database(settings.db_url)
    if settings.database_url is not None and migrate.revision_of(database) is not None:
        raise NotEmpty(where="ROP_DATABASE_URL")
    try:
        yield database
    except BaseException:
        database.dispose()
        for left in settings.root.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        raise
    database.dispose()


def _refuse_foreign(archive: Archive, settings: Settings) -> None:
    if not migrate.is_known(archive.manifest["revision"]):
        raise migrate.SchemaTooNew(found=archive.manifest["revision"], known=migrate.newest())
    if settings.secret is None and SECRET in archive.names():
        return
    known = () if settings.secret is None else server_secret(settings)
    if archive.manifest["secret"] not in {keyed_hash(one, "backup", "fingerprint") for one in known}:
        raise SecretDiffers


def _put_secret(archive: Archive, settings: Settings) -> None:
    if settings.secret is None:
        target = settings.root / SECRET
        target.touch(0o600)
        target.write_bytes(b"".join(archive.chunks(SECRET)))


def _put_audio(archive: Archive, storage: Storage) -> int:
    names = archive.names(AUDIO)
    for name in names:
        path = PurePosixPath(name).relative_to(AUDIO)
        part = storage.part(path.name)
        with part.open("wb") as sound:
            sound.writelines(archive.chunks(name))
        storage.put(part, str(path))
    return len(names)


def _put_rows(archive: Archive, session: Session) -> int:
    """Make the schema of the backup, load its rows, then bring both up to date; how many rows."""
    migrate.upgrade_within(session.connection(), archive.manifest["revision"])
    rows = sum(dump.load(session, archive.lines(name)) for name in archive.names(TABLES))
    dump.renumber(session)
    migrate.refuse_broken(session.connection())
    migrate.upgrade_within(session.connection())
    return rows


def _build_warehouse(settings: Settings) -> str:
    """Why it could not be built; empty when it could. An error of DuckDB is named alone: its text may hold the password of the catalog."""
    from tasks import load

    database = Database(settings.db_url)
    try:
        load.rebuild(database, settings)
    except RopError as error:
        return error.text("ru")
    except (duckdb.Error, OSError) as error:
        return f"{type(error).__name__}."
    finally:
        database.dispose()
    return ""


def _forget_lost_recordings(session: Session, storage: Storage) -> None:
    """An unfinished call whose recording did not come along fetches it once more."""
    unfinished = select(Recording).join(Call, Call.call_id == Recording.call_id).where(Call.status.not_in(calls.TERMINAL))
    for row in session.scalars(unfinished):
        try:
            storage.size(row.path)
        except NotFound:
            session.delete(row)
