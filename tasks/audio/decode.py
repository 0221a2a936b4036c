"""A recording as 16 kHz samples on disk: decoded once, block by block, with a demuxer that we choose.

Whatever the file says about itself, FFmpeg sees one open file object and one demuxer: no other file, no address.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from numpy.typing import NDArray

from core.settings import Settings
from tasks.audio.headers import cut_short
from tasks.audio.probe import bad_audio
from tasks.audio.sound import RATE, Sound, SoundWriter

Format = Literal["mp3", "wav", "ogg"]
# More broken packets in a row than any transport leaves: the rest of such a file is not sound.
MAX_BROKEN = 2000
OPEN_SECONDS = 20.0
# Rounding of times in the container makes smaller ones.
GAP_SECONDS = 0.1


def decode(path: Path, format: Format, settings: Settings) -> Sound:
    """The samples of `path` in temporary files in `ROP_HOME`; close the result to remove them.

    A damaged or truncated recording gives what is there, with `damaged` set.
    Raises `BadAudio` when nothing can be decoded or the recording is longer than `max_audio_seconds`.
    """
    folder = settings.root / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("rb") as file, open_audio(file, format) as container:
        channels = _channels(container)
        writer = SoundWriter(folder, channels)
        try:
            broken = _write(container, channels, writer, settings.max_audio_seconds)
        except BaseException:
            writer.discard()
            raise
    if not writer.samples:
        writer.discard()
        raise bad_audio("undecodable_audio")
    return writer.finish(damaged=broken > 0 or cut_short(path, format, writer.samples / RATE))


def open_audio(file: IO[bytes], format: Format) -> InputContainer:
    """The container behind an open file, with `format` as the only demuxer and no protocol at all."""
    closed = {"format_whitelist": format, "protocol_whitelist": ""}
    try:
        return av.open(file, mode="r", format=format, options=closed, metadata_errors="ignore", timeout=OPEN_SECONDS)
    except (av.FFmpegError, ValueError, OSError) as error:
        raise bad_audio("unreadable_audio") from error


def _channels(container: InputContainer) -> int:
    streams = container.streams.audio
    count = streams[0].codec_context.channels if streams else 0
    if count not in {1, 2}:
        raise bad_audio("bad_channels", channels=count)
    return count


def _write(container: InputContainer, channels: int, writer: SoundWriter, max_seconds: float) -> int:
    """Number of broken places met on the way to the end of the file."""
    resampler = AudioResampler(format="s16p", layout="stereo" if channels == 2 else "mono", rate=RATE)
    broken = 0
    timeline = _Timeline()
    for frame in _frames(container):
        if frame is None:
            broken += 1
            continue
        gap = timeline.gap(frame)
        _check_length(writer.samples / RATE + gap, max_seconds)
        writer.write_silence(round(gap * RATE))
        frame.pts = None
        try:
            for block in _resampled(resampler, frame):
                writer.write(block)
        except (ValueError, av.FFmpegError):
            broken += 1
        _check_length(writer.samples / RATE, max_seconds)
    with contextlib.suppress(ValueError, av.FFmpegError):
        for block in _resampled(resampler, None):
            writer.write(block)
    return broken


class _Timeline:
    """Finds where a recording leaves out time: lost pages, or silence that an encoder did not send."""

    def __init__(self) -> None:
        self._expected: float | None = None

    def gap(self, frame: AudioFrame) -> float:
        """Seconds missing before this frame; 0 where times say nothing."""
        if frame.time is None:
            return 0.0
        missing = 0.0 if self._expected is None else frame.time - self._expected
        self._expected = frame.time + frame.samples / frame.sample_rate
        return missing if missing > GAP_SECONDS else 0.0


def _frames(container: InputContainer) -> Iterator[AudioFrame | None]:
    """Frames in order; None for every place that could not be decoded."""
    packets = container.demux(container.streams.audio[0])
    broken_in_a_row = 0
    while broken_in_a_row < MAX_BROKEN:
        try:
            packet = next(packets)
            frames = packet.decode()
        except StopIteration:
            return
        except av.EOFError:
            return
        except av.FFmpegError:
            broken_in_a_row += 1
            yield None
        else:
            broken_in_a_row = 0
            for frame in frames:
                if isinstance(frame, AudioFrame):
                    yield frame


def _resampled(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[NDArray[np.int16]]:
    """Blocks of shape (channels, n); raises `ValueError` when a recording changes its rate or channels on the way."""
    for out in resampler.resample(frame):
        yield np.asarray(out.to_ndarray(), np.int16)


def _check_length(seconds: float, limit: float) -> None:
    # One second of grace: the limit is inclusive and resampling may add a few samples.
    if seconds > limit + 1:
        raise bad_audio("too_long", limit=limit)
