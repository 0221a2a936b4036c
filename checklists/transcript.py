"""A transcript: who said what, when, and how sure the recogniser was."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Speaker = Literal["manager", "customer", "unknown"]


class Frozen(BaseModel):
    """Base of every value of the domain: immutable and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Word(Frozen):
    """One word; times in seconds from the start of the recording, `confidence` 0 to 1."""

    start: float
    end: float
    text: str
    confidence: float = 1.0


class Utterance(Frozen):
    """One turn of one speaker; times in seconds, confidences 0 to 1."""

    id: int
    start: float
    end: float
    speaker: Speaker
    channel: int | None = None
    text: str
    confidence: float = 1.0
    speaker_confidence: float = 1.0
    words: tuple[Word, ...] = ()


class Transcript(Frozen):
    """The whole conversation in order of time; `id` of an utterance is its place in `utterances`."""

    language: str = "ru"
    duration: float = 0.0
    utterances: tuple[Utterance, ...] = ()
    partial: bool = False
    metrics: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All words, one utterance a line."""
        return "\n".join(u.text for u in self.utterances)

    @property
    def speakers_sure(self) -> bool:
        """Whether the speaker marks may decide a score: false for a doubtful diarisation."""
        doubtful = [u for u in self.utterances if u.speaker == "unknown" or u.speaker_confidence < SURE_SPEAKER]
        return len(doubtful) * 2 < max(len(self.utterances), 1)


# Below this a speaker mark is a guess; measured by the diarisation bench (docs/adr).
SURE_SPEAKER = 0.6
