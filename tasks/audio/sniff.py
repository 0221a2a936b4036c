"""Which format the first bytes of a file are: the name, the extension and the server's word count for nothing."""

from __future__ import annotations

from typing import Literal

AudioFormat = Literal["mp3", "wav", "ogg"]

# Recordings cut out of a stream begin in the middle of a frame; three headers that follow each other are no accident.
FRAMES_IN_A_ROW = 3
_VERSION_1 = 3
_BITRATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # kbit/s, MPEG 1 layer III
_BITRATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # MPEG 2 and 2.5 layer III
_RATES = (44100, 48000, 32000)


def kind(head: bytes) -> AudioFormat | None:
    """`mp3`, `wav` or `ogg` by the first bytes (4 KiB are enough), or None."""
    if head[:4] in {b"RIFF", b"RF64"} and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:3] == b"ID3" or _frame_length(head, 0) or any(_frames_follow(head, at) for at in _syncs(head)):
        return "mp3"
    return None


def _syncs(head: bytes) -> list[int]:
    return [at for at in range(len(head) - 3) if head[at] == 0xFF]


def _frames_follow(head: bytes, at: int) -> bool:
    for _ in range(FRAMES_IN_A_ROW):
        length = _frame_length(head, at)
        if not length:
            return False
        at += length
    return True


def _frame_length(head: bytes, at: int) -> int:
    """Bytes of the MPEG layer III frame whose header is at `at`; 0 where there is none. Source: ISO/IEC 11172-3, 13818-3."""
    header = head[at : at + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer != 1 or bitrate in {0, 15} or rate == 3:
        return 0
    if version == _VERSION_1:
        return 144_000 * _BITRATES_1[bitrate] // _RATES[rate] + padding
    return 72_000 * _BITRATES_2[bitrate] // (_RATES[rate] >> (1 if version == 2 else 2)) + padding
