"""Recordings in a local folder or at any fsspec URL. A recording is there whole or not at all.

Paths are relative to the root and made by us; anything that would leave the root is refused.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any

import fsspec

from core import ids
from core.errors import NotFound, Unavailable
from core.failpoints import failpoint
from core.settings import Settings

CLIENTS = frozenset({"aiobotocore", "aiohttp", "botocore"})  # of object stores that are away; what they raise is no `OSError`
PARTS, COPIES = ".parts", ".copies"  # what a killed process leaves in them is swept by its host


@dataclass(frozen=True)
class Entry:
    """A file of the storage: a recording, or the draft of one that was never finished; `modified` is aware."""

    name: str
    bytes: int
    modified: datetime


class Storage:
    """Files by relative path, recordings unless another `url` is given.

    Raises `Unavailable` when the place is full or gone, `NotFound` for what is not there.
    """

    def __init__(self, settings: Settings, url: str | None = None) -> None:
        self._fs, self._root = fsspec.core.url_to_fs(url or settings.audio_url)
        self._folder = Path(self._root) if "file" in _protocols(self._fs) else None
        self._parts = (self._folder or work_folder(settings)) / PARTS
        self._copies = work_folder(settings) / COPIES

    def part(self, name: str) -> Path:
        """A local file to write a recording into before `put`; it outlives the process, so that a download can resume."""
        with storage_errors():
            self._parts.mkdir(parents=True, exist_ok=True)
        return self._parts / f"{_safe(name).name}.part"

    def put(self, source: Path, path: str) -> None:
        """Store the finished local file `source` under `path`, replacing what was there; `source` is gone afterwards."""
        with storage_errors():
            if self._folder is not None:
                _move(source, self._folder / _safe(path))
            else:
                self._upload(source, self._at(path))
                source.unlink()

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """The stored bytes, seekable."""
        with storage_errors(path), self._fs.open(self._at(path), "rb") as file:
            yield file

    def size(self, path: str) -> int:
        """Bytes stored under `path`."""
        with storage_errors(path):
            return int(self._fs.info(self._at(path))["size"])

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """A local file with the stored bytes, for readers that need one; not to be changed, gone after the block."""
        if self._folder is not None:
            yield self._present(path)
            return
        with storage_errors():
            self._copies.mkdir(parents=True, exist_ok=True)
            folder = TemporaryDirectory(dir=self._copies)
        with folder as name:
            copy = Path(name) / _safe(path).name
            with storage_errors(path):
                self._fs.get_file(self._at(path), str(copy))
            yield copy

    def delete(self, path: str) -> None:
        """Remove the recording; harmless when it is gone already."""
        with storage_errors():
            try:
                self._fs.rm_file(self._at(path))
            except FileNotFoundError:
                return

    def entries(self) -> Iterator[Entry]:
        """Every file right below the root, drafts included."""
        with storage_errors(), suppress(FileNotFoundError):
            yield from _scanned(self._folder) if self._folder is not None else _listed(self._fs, self._root)

    def drop(self, entry: Entry) -> None:
        """Remove a file that `entries` named; harmless when it is gone already."""
        with storage_errors(), suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{entry.name}")

    def parts(self) -> list[Path]:
        """The parts of downloads on this machine, under way or given up."""
        return list(self._parts.glob("*.part"))

    def _present(self, path: str) -> Path:
        assert self._folder is not None  # noqa: S101  for the type checker: callers have looked
        file = self._folder / _safe(path)
        with storage_errors(path):
            file.stat()
        return file

    def _upload(self, source: Path, target: str) -> None:
        """Copy under another name first where uploads are not atomic: a reader must not find half a recording."""
        if "s3" in _protocols(self._fs):
            self._fs.put_file(str(source), target)
            return
        draft = f"{target}.{ids.token(4)}.part"
        self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        try:
            self._fs.put_file(str(source), draft)
            self._fs.mv(draft, target)
        finally:
            if self._fs.exists(draft):
                self._fs.rm_file(draft)

    def _at(self, path: str) -> str:
        return f"{self._root}/{_safe(path)}"


def work_folder(settings: Settings) -> Path:
    """Where a process keeps parts and copies of recordings whose storage is elsewhere."""
    return settings.root / "audio"


def _scanned(folder: Path) -> Iterator[Entry]:
    with os.scandir(folder) as found:
        for one in found:
            if one.is_file(follow_symlinks=False):
                facts = one.stat(follow_symlinks=False)
                yield Entry(one.name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))


def _listed(filesystem: Any, root: str) -> Iterator[Entry]:
    """An object store tells the time in its listing; others are asked file by file."""
    for one in filesystem.ls(root, detail=True, refresh=True):
        if one["type"] == "file":
            yield Entry(one["name"].rpartition("/")[2], int(one["size"]), one.get("LastModified") or filesystem.modified(one["name"]))


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _safe(path: str) -> PurePosixPath:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.name or pure.name.startswith("."):
        raise ValueError(f"not a path inside the storage: {path!r}")
    return pure


def _move(source: Path, target: Path) -> None:
    """Rename after both the bytes and the name are on the disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    shutil.move(source, draft)
    _sync(draft)
    failpoint("storage.before_rename")
    draft.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storage_errors(path: str = "") -> Iterator[None]:
    """What the file system says, as `NotFound` or `Unavailable`."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(ru="Запись не найдена в хранилище.", en="The recording is not in the storage.", path=path) from error
    except Exception as error:
        if not isinstance(error, OSError) and _package(error) not in CLIENTS:
            raise
        raise Unavailable(
            "storage_unavailable",
            ru="Хранилище записей недоступно или заполнено.",
            en="The storage of recordings is full or not available.",
        ) from error


def _package(error: Exception) -> str:
    return type(error).__module__.partition(".")[0]
