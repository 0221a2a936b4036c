"""Which files of a folder were opened by anybody, as the kernel tells it."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IN_OPEN = 0x20
_EVENT = struct.Struct("iIII")


@contextmanager
def opened(folder: Path) -> Iterator[list[str]]:
    """Names of the files in `folder` that are opened during the block; the list is filled at its end."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    if watch < 0 or libc.inotify_add_watch(watch, os.fsencode(folder), IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    names: list[str] = []
    try:
        yield names
        names += _names(watch)
    finally:
        os.close(watch)


def _names(watch: int) -> Iterator[str]:
    while True:
        try:
            events = os.read(watch, 65536)
        except BlockingIOError:
            return
        at = 0
        while at < len(events):
            length = _EVENT.unpack_from(events, at)[3]
            yield os.fsdecode(events[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0"))
            at += _EVENT.size + length
