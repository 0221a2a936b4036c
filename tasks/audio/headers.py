"""Whether a recording ends before its own header says, where the header can be believed."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Literal

# A PBX that streams a wav writes one of these before it knows the size.
UNKNOWN_SIZES = frozenset({0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF})
MAX_CHUNKS = 64
LAST_PAGES = 70_000
# Encoder delay and a last partial frame make honest files this much shorter.
SHORT_SECONDS, SHORT_SHARE = 0.5, 0.01


def cut_short(path: Path, format: Literal["mp3", "wav", "ogg"], seconds: float) -> bool:
    """Whether the file promises more than the `seconds` that were decoded from it."""
    with path.open("rb") as file:
        try:
            if format == "ogg":
                return not _ogg_ends(file)
            promised = _wav_seconds(file) if format == "wav" else _mp3_seconds(file)
        except (struct.error, IndexError, ZeroDivisionError):
            return False
    return promised is not None and promised - seconds > max(SHORT_SECONDS, SHORT_SHARE * promised)


def _wav_seconds(file: IO[bytes]) -> float | None:
    """Data size over byte rate. Source: the RIFF specification."""
    file.seek(12)
    byte_rate = 0
    for _ in range(MAX_CHUNKS):
        name, size = struct.unpack("<4sI", file.read(8))
        if name == b"fmt ":
            byte_rate = struct.unpack("<HHII", file.read(size)[:12])[3]
        elif name == b"data":
            return None if size in UNKNOWN_SIZES else size / byte_rate
        else:
            file.seek(size, 1)
        if size % 2:
            file.seek(1, 1)
    return None


def _mp3_seconds(file: IO[bytes]) -> float | None:
    """Frames of the Xing or Info header times the frame length; without that header the length is only a guess."""
    head = file.read(10)
    start = _id3_size(head) if head[:3] == b"ID3" else 0
    file.seek(start)
    frame = file.read(4096)
    sync = frame.find(b"\xff")
    tag = max(frame.find(b"Xing"), frame.find(b"Info"))
    if sync < 0 or tag < 0 or not frame[tag + 7] & 1:
        return None
    version, rate_index = frame[sync + 1] >> 3 & 3, frame[sync + 2] >> 2 & 3
    rate = (44100, 48000, 32000)[rate_index] >> {3: 0, 2: 1, 0: 2}.get(version, 0)
    frames: int = struct.unpack(">I", frame[tag + 8 : tag + 12])[0]
    return frames * (1152 if version == 3 else 576) / rate


def _id3_size(head: bytes) -> int:
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + 10


def _ogg_ends(file: IO[bytes]) -> bool:
    """Whether the last page carries the mark of the end of the stream."""
    size = file.seek(0, 2)
    file.seek(max(size - LAST_PAGES, 0))
    tail = file.read()
    page = tail.rfind(b"OggS")
    return page >= 0 and bool(tail[page + 5] & 4)
