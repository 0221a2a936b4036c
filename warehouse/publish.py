"""Publication: readers get a whole new file, by an atomic rename, or keep the old one. A lake needs none: a commit is one."""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path

from core import clock
from core.errors import Unavailable
from core.failpoints import failpoint
from core.settings import Settings
from warehouse.embedded import Embedded

STATE = "SELECT changes, published_changes, published_at, publish_seconds FROM load_state"


@dataclass(frozen=True)
class Publication:
    """What was published: the file, its size in bytes and how long it took, seconds."""

    path: Path
    bytes: int
    seconds: float


def publish(settings: Settings) -> Publication:
    """Copy the loader's file to `reports.duckdb`; nobody may have it open for writing meanwhile.

    Raises:
        Unavailable: a loader has it open.
    """
    started, store = clock.monotonic(), Embedded(settings)
    with store.writer() as connection:
        connection.execute("UPDATE load_state SET published_at = ?", [clock.now().replace(tzinfo=None)])
        connection.execute("CHECKPOINT")
    failpoint("reports.before_copy")
    _replace(store.private, store.published)
    seconds = clock.monotonic() - started
    with store.writer() as connection:
        connection.execute("UPDATE load_state SET publish_seconds = ?, published_changes = changes", [seconds])
    return Publication(store.published, store.published.stat().st_size, seconds)


def is_due(settings: Settings) -> bool:
    """Whether there is something new, and publishing it now keeps within `publish_share` of the time."""
    if settings.lake_catalog is not None:
        return False
    store = Embedded(settings)
    with store.writer() as connection:
        changes, published, at, seconds = connection.execute(STATE).fetchone() or (0, 0, None, 0.0)
    if at is None or not store.published.exists():
        return bool(changes)
    return bool(changes > published) and clock.now() >= at.replace(tzinfo=UTC) + timedelta(seconds=seconds / settings.publish_share)


def _replace(source: Path, target: Path) -> None:
    part = target.with_suffix(".part")
    with source.open("rb") as reader, part.open("wb") as writer:
        _hold(reader.fileno())
        shutil.copyfileobj(reader, writer, 1024 * 1024)
        writer.flush()
        os.fsync(writer.fileno())
    failpoint("reports.before_rename")
    part.replace(target)
    failpoint("reports.after_rename")
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _hold(descriptor: int) -> None:
    """Keep every DuckDB writer out until the descriptor is closed: DuckDB takes a lock of the same kind."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        raise Unavailable(ru="Витрина занята другим загрузчиком.", en="Another loader has the warehouse open.") from error
