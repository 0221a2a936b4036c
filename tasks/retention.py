"""Retention: recordings and texts go when they are old enough, files of no call go, and deletions that had to wait are finished."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice

import structlog

from core import clock
from core.failpoints import failpoint
from core.settings import Settings
from core.storage import Entry, Storage
from db import audit, erasure
from db.engine import Database
from tasks import forget, leftovers
from tasks.prefect_api import PrefectApi
from tasks.runtime import Runtime

ACTOR = "retention"
RECORDINGS_AT_ONCE = 500
TEXTS_AT_ONCE = 20  # in one transaction: a long one would keep the ingress waiting
FILES_AT_ONCE = 500
# Beyond so many, more strange files than half of all mean that this is not the database of this storage.
STRANGE_FILES = 100
OURS = re.compile(r"\.?rec_[0-9a-f]{32}\..+")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Report:
    """What one run did: recordings and texts deleted by age, files of no call, deletions that are complete now.

    `refused` are files of no call that were left alone, because the storage looks like that of another database.
    """

    recordings: int = 0
    texts: int = 0
    leftovers: int = 0
    finished: int = 0
    refused: int = 0


def apply_retention(runtime: Runtime) -> Report:
    """Delete what is older than the settings allow. May be killed anywhere and repeated: every call is a transaction of its own.

    Raises:
        Unavailable: the storage does not answer; the next run goes on.
    """
    database, settings, storage = runtime.database, runtime.settings, runtime.storage
    recordings = _expire(settings.keep_audio_days, lambda before: delete_recordings(database, storage, before))
    texts = _expire(settings.keep_text_days, lambda before: delete_texts(database, before))
    leftovers, refused = sweep(database, storage, clock.now() - timedelta(seconds=settings.leftover_seconds))
    with closing(PrefectApi(settings)) as prefect:
        finished = forget.finish(database, settings, prefect)
    report = Report(recordings, texts, leftovers, finished, refused)
    _note(database, settings, report)
    return report


def delete_recordings(database: Database, storage: Storage, before: datetime) -> int:
    """Delete the recordings of ended calls that were received before `before`; how many."""
    count, after = 0, ""
    while True:
        with database.read() as session:
            old = erasure.old_recordings(session, before, after, RECORDINGS_AT_ONCE)
        if not old:
            return count
        count += sum(_delete_recording(database, storage, call_id, before) for call_id in old)
        after = old[-1]


def delete_texts(database: Database, before: datetime) -> int:
    """Delete the texts of ended calls that were received before `before`; how many."""
    count, after = 0, ""
    while True:
        with database.begin() as session:
            old = erasure.old_texts(session, before, after, TEXTS_AT_ONCE)
            erasure.erase_texts(session, old, clock.now())
        if not old:
            return count
        failpoint("retention.after_texts")
        count, after = count + len(old), old[-1]


def sweep(database: Database, storage: Storage, before: datetime) -> tuple[int, int]:
    """Delete parts and recordings of no call that were last written before `before`; how many were deleted, and how many refused."""
    parts = leftovers.delete_parts(storage.parts(), before)
    known, strange = _sorted(database, storage, before)
    if len(strange) > max(known, STRANGE_FILES):
        log.error("storage_of_another_database", strange=len(strange), known=known)
        return parts, len(strange)
    for entry in strange:
        storage.drop(entry)
    return parts + len(strange), 0


def _expire(days: int, delete: Callable[[datetime], int]) -> int:
    return delete(clock.now() - timedelta(days=days)) if days else 0


def _delete_recording(database: Database, storage: Storage, call_id: str, before: datetime) -> bool:
    # The file goes inside the transaction: killed in between, the next run deletes it once more and notes it.
    with database.begin() as session:
        row = erasure.old_recording(session, call_id, before)
        if row is None:
            return False
        storage.delete(row.path)
        failpoint("retention.after_file")
        row.deleted_at = clock.now()
    return True


def _sorted(database: Database, storage: Storage, before: datetime) -> tuple[int, list[Entry]]:
    """How many of our files are recordings of calls, and the old ones that are not."""
    known, strange = 0, []
    for entries in _batches(entry for entry in storage.entries() if OURS.fullmatch(entry.name)):
        with database.read() as session:
            paths = erasure.known_paths(session, [entry.name for entry in entries])
        known += len(paths)
        strange += [entry for entry in entries if entry.name not in paths and entry.modified < before]
    return known, strange


def _batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while batch := list(islice(entries, FILES_AT_ONCE)):
        yield batch


def _note(database: Database, settings: Settings, report: Report) -> None:
    """One line in the audit for a run that did something."""
    if not any((report.recordings, report.texts, report.leftovers, report.refused)):
        return
    kept = {"audio_days": settings.keep_audio_days, "text_days": settings.keep_text_days}
    with database.begin() as session:
        audit.write(session, ACTOR, "retention.applied", "calls", clock.now(), **asdict(report), **kept)
