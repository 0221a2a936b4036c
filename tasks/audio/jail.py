"""The child process that opens a stranger's recording: a script of its own, fed through stdin, answering in JSON on stdout.

It imports nothing of the product, so that it starts in a tenth of a second. Before it looks at a byte it gives up the right to open
anything: whatever the recording talks FFmpeg into, there is no other file and no socket to be had.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any, BinaryIO

import av
import av.subtitles.stream  # opening a container loads it, and there nothing can be loaded any more
from av.container import InputContainer

CODECS = {
    "mp3": {"mp3", "mp3float"},
    "wav": {"pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav"}
    | {"adpcm_g726", "gsm_ms", "mp3", "mp3float"},  # telephone exchanges put all of these into wav
    "ogg": {"opus", "libopus", "vorbis", "libvorbis", "speex", "libspeex", "flac"},
}
RATES = (6000, 192_000)  # Hz: below is no speech, above is no telephone
TRIAL_SECONDS = 3.0  # decoded to prove that the sound is what the header says
# An honest 45 minutes is this much longer in frames: encoder delay and padding of the last frame at 8 kHz.
PADDING_SECONDS = {"mp3": 0.25, "ogg": 0.25, "wav": 0.0}
OPEN_SECONDS = 10.0


class Refused(Exception):
    """A code of `tasks.audio.probe` and the fields of its text."""

    def __init__(self, code: str, **fields: Any) -> None:
        super().__init__(code)
        self.answer = {"code": code, "fields": fields}


def main(format: str, max_seconds: float, cpu_seconds: int, memory_bytes: int) -> dict[str, Any]:
    """The facts of the recording on stdin, or `{"code", "fields"}` of its refusal."""
    try:
        _enclose(cpu_seconds, memory_bytes)
        with open(0, "rb", closefd=False) as file:
            facts = _facts(file, format, max_seconds)
            file.seek(0)
            _try_decoding(file, format)
    except Refused as refused:
        return refused.answer
    except MemoryError:
        return {"code": "inspection_failed", "fields": {}}
    return facts


def _enclose(cpu_seconds: int, memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))  # stdin, stdout and stderr are open; nothing else ever will be


def _open(file: BinaryIO, format: str) -> InputContainer:
    closed: dict[str, str] = {"format_whitelist": format, "protocol_whitelist": "", "probesize": "1000000", "analyzeduration": "2000000"}
    try:
        return av.open(file, mode="r", format=format, options=closed, metadata_errors="ignore", timeout=OPEN_SECONDS)
    except (av.FFmpegError, ValueError, OSError) as error:
        raise Refused("unreadable_audio") from error


def _facts(file: BinaryIO, format: str, max_seconds: float) -> dict[str, Any]:
    with _open(file, format) as container:
        stream = _only_stream(container)
        codec = stream.codec_context
        if codec.name not in CODECS[format]:
            raise Refused("unsupported_codec", codec=codec.name)
        if codec.channels not in {1, 2}:
            raise Refused("bad_channels", channels=codec.channels)
        if not RATES[0] <= codec.sample_rate <= RATES[1]:
            raise Refused("bad_sample_rate", sample_rate=codec.sample_rate)
        return {
            "codec": codec.name.removeprefix("lib").removesuffix("float"),
            "channels": codec.channels,
            "sample_rate": codec.sample_rate,
            "declared": None if container.duration is None else container.duration / av.time_base,
            "duration": _counted(container, stream, max_seconds, max_seconds + PADDING_SECONDS[format]),
        }


def _only_stream(container: InputContainer) -> Any:
    pictures = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    if pictures:
        raise Refused("has_video", codec=pictures[0].codec_context.name)
    if len(container.streams.audio) != 1 or container.streams.audio[0].codec_context is None:
        raise Refused("several_streams" if container.streams.audio else "no_audio", streams=len(container.streams.audio))
    return container.streams.audio[0]


def _counted(container: InputContainer, stream: Any, limit: float, abort: float) -> float:
    """Seconds by the packets that are really there, not by any header; nothing is decoded."""
    ticks, base = 0, float(stream.time_base)
    try:
        for packet in container.demux(stream):
            ticks += packet.duration or 0
            if ticks * base > abort:
                raise Refused("too_long", limit=limit)
    except av.FFmpegError:
        pass  # a damaged end: what came before it counts
    if not ticks:
        raise Refused("no_audio", streams=1)
    return min(ticks * base, limit)


def _try_decoding(file: BinaryIO, format: str) -> None:
    with _open(file, format) as container:
        decoded = 0.0
        for packet in container.demux(container.streams.audio[0]):
            try:
                decoded += sum(frame.samples / frame.sample_rate for frame in packet.decode())
            except av.FFmpegError:
                continue
            if decoded >= TRIAL_SECONDS:
                return
    if not decoded:
        raise Refused("undecodable_audio")


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))  # noqa: T201  the answer itself
