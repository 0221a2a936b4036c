"""Whether a recording may be used, and what it is: looked at in a child process, because its author may be an enemy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadAudio
from core.settings import Settings
from tasks.audio.headers import cut_short
from tasks.audio.sniff import AudioFormat, kind

JAIL = Path(__file__).with_name("jail.py")

REFUSALS = {
    "not_audio": ("Файл не является аудио MP3, WAV или OGG.", "The file is not MP3, WAV or OGG audio."),
    "empty_audio": ("Файл пустой.", "The file is empty."),
    "too_large": ("Файл больше {limit_mib} МБ.", "The file is larger than {limit_mib} MiB."),
    "too_long": ("Запись длиннее {limit:.0f} секунд.", "The recording is longer than {limit:.0f} seconds."),
    "has_video": ("В файле есть видео ({codec}).", "The file contains video ({codec})."),
    "several_streams": ("В файле {streams} звуковых дорожек, нужна одна.", "The file has {streams} audio streams instead of one."),
    "no_audio": ("В файле нет звука.", "There is no sound in the file."),
    "unsupported_codec": ("Кодек {codec} не поддерживается.", "The codec {codec} is not supported."),
    "bad_channels": ("Каналов {channels}, допускается один или два.", "{channels} channels; one or two are accepted."),
    "bad_sample_rate": ("Частота {sample_rate} Гц не поддерживается.", "The sample rate {sample_rate} Hz is not supported."),
    "unreadable_audio": ("Файл повреждён: звук не читается.", "The file is damaged: the audio cannot be read."),
    "undecodable_audio": ("Файл повреждён: звук не декодируется.", "The file is damaged: the audio cannot be decoded."),
    "inspection_failed": (
        "Файл не удалось проверить за отведённое время и память.",
        "The file could not be inspected within its limits of time and memory.",
    ),
    "encoded_answer": (
        "Сервер отдаёт запись в сжатом виде ({encoding}), нужен сам файл.",
        "The server sends the recording compressed ({encoding}) instead of the file itself.",
    ),
}


@dataclass(frozen=True)
class AudioFacts:
    """What a recording is. `duration` is counted in seconds, `declared` is the container's own word; `truncated` when it ends too early."""

    format: AudioFormat
    codec: str
    channels: int
    sample_rate: int
    duration: float
    declared: float | None
    truncated: bool


def bad_audio(code: str, **fields: Any) -> BadAudio:
    """The refusal of that code; `fields` fill its text."""
    ru, en = REFUSALS[code]
    return BadAudio(code, ru=ru, en=en, **fields)


def too_large(settings: Settings) -> BadAudio:
    """The refusal of a file above `max_audio_bytes`."""
    return bad_audio("too_large", limit_mib=settings.max_audio_bytes // (1024 * 1024))


def probe(path: Path, settings: Settings) -> AudioFacts:
    """What the recording at `path` is, within C13; nothing but this one file is read.

    Raises `BadAudio` with a code of `REFUSALS`.
    """
    size = path.stat().st_size
    if size == 0:
        raise bad_audio("empty_audio")
    if size > settings.max_audio_bytes:
        raise too_large(settings)
    with path.open("rb") as file:
        format = kind(file.read(settings.probe_bytes))
    if format is None:
        raise bad_audio("not_audio")
    answer = _look(path, format, settings)
    if "code" in answer:
        raise bad_audio(answer["code"], **answer["fields"])
    return AudioFacts(format=format, truncated=cut_short(path, format, answer["duration"]), **answer)


def _look(path: Path, format: AudioFormat, settings: Settings) -> dict[str, Any]:
    limits = (settings.max_audio_seconds, settings.inspect_cpu_seconds, settings.inspect_memory_bytes)
    command = [sys.executable, "-I", str(JAIL), format, *map(str, limits)]
    with path.open("rb") as file:
        try:
            done = subprocess.run(  # noqa: S603  our own script; the stranger's bytes come through stdin
                command,
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=settings.inspect_seconds,
                check=True,
                env=_environment(),
            )
            answer: dict[str, Any] = json.loads(done.stdout)
        except (subprocess.SubprocessError, ValueError) as error:
            raise bad_audio("inspection_failed") from error
    return answer


def _environment() -> dict[str, str]:
    # None of our secrets; where Python's own libraries are found, it may have to be told.
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
