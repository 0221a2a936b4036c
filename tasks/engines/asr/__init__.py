"""Speech recognition: a recording in, a transcript with speakers out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from checklists.transcript import Transcript
from core.settings import Settings

Channel = Literal["left", "right"]
AudioFormat = Literal["mp3", "wav", "ogg"]


class Progress(Protocol):
    """Told the share of the audio that is done, 0 to 1, at least at every segment. May raise to stop the work."""

    def __call__(self, fraction: float, /) -> None: ...


@dataclass(frozen=True)
class Job:
    """One recording to transcribe. `language` None means detect; `hotwords` are words that are likely, the most telling first."""

    path: Path
    format: AudioFormat
    language: str | None = "ru"
    manager_channel: Channel | None = None
    direction: Literal["in", "out"] | None = None
    hotwords: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recognition:
    """A transcript with what came in the same pass. `peaks` are 0 to 1, evenly spaced over the recording, for the player.

    A recording without speech has a transcript without utterances.
    """

    transcript: Transcript
    engine: str
    model: str
    peaks: tuple[float, ...] = field(default=())


class Transcriber(Protocol):
    """Raises `BadAudio` for a recording that cannot be used and `TransientError` for a server that may recover."""

    def load(self) -> None:
        """Bring the model into memory and verify it, so that the first call does not pay for it. Safe to call twice."""

    def transcribe(self, job: Job, progress: Progress) -> Recognition:
        """The transcript of one recording. Thread-safe."""


def build(settings: Settings) -> Transcriber:
    """The engine that `asr_engine` names, not loaded yet."""
    if settings.asr_engine == "openai":
        from tasks.engines.asr.openai import OpenAITranscriber

        return OpenAITranscriber(settings)
    from tasks.engines.asr.whisper import WhisperTranscriber

    return WhisperTranscriber(settings)
