"""The one thing two recognisers do differently: words of packed clips of speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from checklists.transcript import Word
from tasks.audio.sound import Samples


@dataclass(frozen=True)
class Heard:
    """Words of one clip, times in seconds of the clip; `no_speech` is the chance that nobody spoke, 0 to 1."""

    words: tuple[Word, ...]
    language: str
    no_speech: float = 0.0


class Recogniser(Protocol):
    """Thread-safe. `engine` and `model` name it in results; a clip is at most `clip_seconds` long, a batch `batch` clips."""

    engine: str
    model: str
    clip_seconds: float
    batch: int

    def hear(self, clips: Sequence[Samples], language: str | None, hotwords: Sequence[str]) -> list[Heard]:
        """What is said in each clip; `language` None means detect, one language for the batch."""
