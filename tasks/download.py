"""Step 1: the recording comes from the customer's file server into the storage."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task

from core import clock, ids
from core.errors import PermanentError, SourceRefused, Unavailable, Unreachable
from core.failpoints import failpoint
from core.http import Deadline, Guarded, Incoming, retry_after
from core.settings import MIB, Settings
from core.storage import Storage, storage_errors
from db import calls, results
from db.models import Call, Recording
from tasks import runtime as runtimes
from tasks.audio.probe import AudioFacts, bad_audio, probe, too_large
from tasks.audio.sniff import kind
from tasks.lease import Lease
from tasks.policy import RESUMABLE, RETRIED
from tasks.runtime import Runtime

Tick = Callable[[int], None]

# Statuses below 500 that say "not now" instead of "no".
NOT_NOW = frozenset({408, 423, 425, 429})
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
HINT_SECONDS, HINT_SHARE = 10.0, 0.1  # a hint may be off by the larger of the two


@dataclass(frozen=True)
class Fetched:
    """A stored recording: `path` in the storage, its size in bytes, its SHA-256 in hex, and what it is."""

    path: str
    bytes: int
    sha256: str
    facts: AudioFacts


def fetch(call_id: str, url: str, settings: Settings, storage: Storage, http: Guarded, tick: Tick | None = None) -> Fetched:
    """Download, inspect and store the recording of a call; a broken download resumes, also in a later process.

    `tick` is told the bytes so far and may raise to stop.

    Raises:
        BadAudio, SourceRefused, AddressRefused: a repeat cannot help; nothing is left behind.
        Unreachable, Unavailable: a repeat may; what came so far is kept for it.
    """
    name = ids.stable_id("rec", call_id)
    part = storage.part(name)
    with _sole_writer(part) as file:
        download = _Download(url, file, part, settings, http, tick or (lambda _count: None))
        try:
            download.run()
            facts = probe(part, settings)
        except PermanentError:
            download.forget()
            part.unlink(missing_ok=True)
            raise
        path = f"{name}.{facts.format}"
        with storage_errors():
            file.seek(0)
            fetched = Fetched(path, part.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest(), facts)
        failpoint("download.before_put")
        storage.put(part, path)
        failpoint("download.after_put")
        download.forget()
    return fetched


class _Download:
    """One recording on its way into `part`, over as many connections as it takes."""

    def __init__(self, url: str, file: FileIO, part: Path, settings: Settings, http: Guarded, tick: Tick) -> None:
        self._url = url
        self._file = file
        self._note = part.with_suffix(".json")
        self._settings = settings
        self._http = http
        self._tick = tick
        self._deadline = Deadline(settings.download_seconds)
        self._sniffed = False

    def run(self) -> None:
        """Until the last byte is there; a connection that broke is followed by another if it brought anything."""
        for connections_left in reversed(range(self._settings.download_resumes)):
            before = self._have()
            try:
                self._pull()
            except Unreachable:
                if self._have() <= before or not connections_left or not self._deadline.left():
                    raise
            else:
                return

    def forget(self) -> None:
        """Drop what is known about the origin of the part."""
        self._note.unlink(missing_ok=True)

    def _pull(self) -> None:
        have, validator = self._have(), self._validator()
        wanted = {"Range": f"bytes={have}-", "If-Range": validator} if have and validator else {}
        stream = self._http.get_stream(self._url, wanted, deadline=self._deadline, read_seconds=self._settings.download_read_seconds)
        with stream as answer:
            if answer.status == 416 and wanted and answer.total == have:
                return
            if answer.status == 416:
                self.forget()
            self._check(answer, have if wanted else 0)
            self._write(answer)

    def _check(self, answer: Incoming, have: int) -> None:
        """Only what continues the part, or begins it anew, may be written."""
        refuse_status(answer)
        if answer.encoding:
            raise bad_audio("encoded_answer", encoding=answer.encoding)
        if (answer.total or 0) > self._settings.max_audio_bytes:
            raise too_large(self._settings)
        if answer.start not in {0, have}:
            self.forget()
            raise Unreachable("wrong_range", ru="Сервер {host} отдал не ту часть файла.", en="{host} sent a wrong range.", host=answer.host)

    def _write(self, answer: Incoming) -> None:
        begun, count = clock.monotonic(), answer.start or 0
        first = count
        with storage_errors():
            self._file.truncate(self._file.seek(count))
        if not count:
            self._remember(answer)
        for chunk in answer.chunks:
            count += len(chunk)
            if count > self._settings.max_audio_bytes:
                raise too_large(self._settings)
            with storage_errors():
                _write_all(self._file, chunk)
            failpoint("download.part")
            self._refuse_other_formats(count)
            self._refuse_crawling(answer, count - first, clock.monotonic() - begun)
            self._tick(count)

    def _refuse_other_formats(self, count: int) -> None:
        """As soon as enough is there to see: nobody waits for 100 MiB of a web page."""
        if self._sniffed or count < self._settings.probe_bytes:
            return
        self._sniffed = True
        head = os.pread(self._file.fileno(), self._settings.probe_bytes, 0)
        if kind(head) is None:
            raise bad_audio("not_audio")

    def _refuse_crawling(self, answer: Incoming, count: int, seconds: float) -> None:
        if seconds > self._settings.download_grace_seconds and count < seconds * self._settings.download_min_bytes_per_second:
            raise Unreachable("too_slow", ru="Сервер {host} отдаёт запись слишком медленно.", en="{host} is too slow.", host=answer.host)

    def _have(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _remember(self, answer: Incoming) -> None:
        """Note the version of the file that the part is a part of, before its first byte."""
        etag = answer.headers.get("etag", "")
        validator = etag if etag.startswith('"') else answer.headers.get("last-modified", "")
        with storage_errors():
            self._note.write_text(json.dumps({"of": self._origin(), "validator": validator}))

    def _validator(self) -> str:
        """What `If-Range` takes to continue the part; empty when it has to begin anew."""
        try:
            note = json.loads(self._note.read_text())
        except (OSError, ValueError):
            return ""
        return str(note["validator"]) if note["of"] == self._origin() else ""

    def _origin(self) -> str:
        # With the boot, because after a power cut a part may have its length and not its bytes.
        boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
        return ids.content_hash([self._url, boot], 32)


def refuse_status(answer: Incoming) -> None:
    """Raise for an answer that is no file: `Unreachable` when a repeat may help, `SourceRefused` when not."""
    if answer.status in {200, 206}:
        return
    if answer.status >= 500 or answer.status in NOT_NOW or answer.status == 416:
        raise Unreachable(
            "server_error",
            ru="Сервер {host} ответил {http_status}.",
            en="The server {host} answered {http_status}.",
            host=answer.host,
            http_status=answer.status,
            retry_after=retry_after(answer.headers),
        )
    raise SourceRefused(host=answer.host, http_status=answer.status)


def _write_all(file: FileIO, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[file.write(left) :]


@contextmanager
def _sole_writer(part: Path) -> Iterator[FileIO]:
    """The part, open for update and locked; raises `Unavailable` while another process writes it."""
    with storage_errors():
        file = FileIO(part, "r+", opener=lambda path, flags: os.open(path, flags | os.O_CREAT, 0o600))
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between opening and locking the other process may have made the part a stored recording.
            ours = part.exists() and part.stat().st_ino == os.fstat(file.fileno()).st_ino
        except BlockingIOError:
            ours = False
        if not ours:
            raise Unavailable(
                "download_busy", ru="Эту запись уже загружает другой процесс.", en="Another process downloads this recording."
            )
        yield file


@task(name="download", task_run_name="download", **RESUMABLE, **RETRIED)
def download(call_id: str) -> dict[str, Any]:
    """Fetch the recording of the call and remember it: size in bytes, duration in seconds."""
    runtime = runtimes.current()
    lease = runtime.lease(call_id)
    # The download keeps its own time; as much again is for the look into the file and for the storage.
    lease.enter("downloading", 2 * runtime.settings.download_seconds)
    row = stored(runtime, lease.call) or fetched(runtime, lease)
    get_run_logger().info("Запись %s: %.1f МБ, каналов %d, %.0f с", row.format, row.bytes / MIB, row.channels, row.duration)
    return {"bytes": row.bytes, "seconds": round(row.duration, 1)}


def stored(runtime: Runtime, call: Call) -> Recording | None:
    """The recording of the call's present attempt when it is there already: an earlier run fetched it, or it never was outside."""
    with runtime.database.read() as session:
        row = results.recording(session, call.call_id)
    return row if row is not None and row.deleted_at is None and row.created_at >= call.received_at else None


def differs(hint: float | None, seconds: float) -> bool:
    """Whether the CRM's duration is another call's: telephone systems count ringing and round, so a little is no sign of it."""
    return hint is not None and abs(hint - seconds) > max(HINT_SECONDS, HINT_SHARE * seconds)


def fetched(runtime: Runtime, lease: Lease) -> Recording:
    """The recording of the call, fetched now and remembered; raises what `fetch` does, and `LeaseLost`."""
    call_id = lease.call.call_id
    came = fetch(call_id, lease.call.audio_url, runtime.settings, runtime.storage, runtime.http, lambda _bytes: lease.check())
    facts = came.facts
    row = Recording(call_id=call_id, path=came.path, bytes=came.bytes, sha256=came.sha256, created_at=clock.now())
    row.format, row.codec, row.channels = facts.format, facts.codec, facts.channels
    row.sample_rate, row.duration = facts.sample_rate, facts.duration
    with runtime.database.begin() as session:
        # A call that was deleted meanwhile gets no recording; its removal takes the file away.
        calls.fence(session, call_id, lease.token)
        results.save_recording(session, row)
        if differs(lease.call.duration_hint, row.duration):
            calls.warn(session, call_id, "duration_mismatch")
    failpoint("download.after_record")
    return row
