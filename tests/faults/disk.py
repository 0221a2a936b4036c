"""A small disk of its own in the place of a folder, and how to fill it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

import pytest

PIECE = 64 * 1024
LOOK_SECONDS = 0.02


def mountable() -> bool:
    """Whether this process may mount a disk."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode == 0


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Path]:
    """A disk of `size` bytes in the place of the folder; its files come back when it goes."""
    folder.mkdir(parents=True, exist_ok=True)
    if not mountable():
        pytest.skip("a disk of its own can be mounted by root alone")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not one byte is left on the disk of the folder while the block lasts, whatever is deleted there meanwhile."""
    filler, full, enough = folder / "filler", threading.Event(), threading.Event()

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            while not enough.is_set():
                _fill_up(file)
                full.set()
                enough.wait(LOOK_SECONDS)

    thread = threading.Thread(target=fill)
    thread.start()
    full.wait()
    try:
        yield
    finally:
        enough.set()
        thread.join()
        filler.unlink()


def _fill_up(file: FileIO) -> None:
    for piece in (PIECE, 1):
        with suppress(OSError):
            while file.write(bytes(piece)) == piece:
                pass
