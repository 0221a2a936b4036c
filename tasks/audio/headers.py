"""Whether a recording lacks a part of what its own headers promise, where they can be believed."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Literal

# A PBX that streams a wav writes one of these before it knows the size.
UNKNOWN_SIZES = frozenset({0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF})
MAX_CHUNKS = 64
# Encoder delay and a last partial frame make honest files this much shorter.
SHORT_SECONDS, SHORT_SHARE = 0.5, 0.01


def cut_short(path: Path, format: Literal["mp3", "wav", "ogg"], seconds: float) -> bool:
    """Whether the file promises more than the `seconds` that were decoded from it: its end or a piece of it is missing."""
    with path.open("rb") as file:
        try:
            if format == "ogg":
                return not _ogg_whole(file)
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


def _ogg_whole(file: IO[bytes]) -> bool:
    """Whether every page follows the one before it, up to the page that is marked as the last. Source: RFC 3533."""
    size = file.seek(0, 2)
    file.seek(0)
    numbers: dict[int, int] = {}
    last = False
    while header := file.read(27):
        if len(header) < 27 or header[:4] != b"OggS":
            return False
        serial, number = struct.unpack("<II", header[14:22])
        if numbers.get(serial, number - 1) != number - 1:
            return False
        numbers[serial], last = number, bool(header[5] & 4)
        file.seek(sum(file.read(header[26])), 1)
    return last and file.tell() <= size
