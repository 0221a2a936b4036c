"""The `verbose_json` of transcription servers, which agree on its outline and little else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from checklists.transcript import Word
from core.errors import PermanentError
from tasks.engines.asr.hearing import Heard
from tasks.engines.asr.phantoms import plain

# OpenAI names languages in English, others by code.
CODES = {
    "russian": "ru", "english": "en", "ukrainian": "uk", "belarusian": "be", "kazakh": "kk", "uzbek": "uz", "tatar": "tt", "german": "de",
    "french": "fr", "spanish": "es", "italian": "it", "polish": "pl", "turkish": "tr", "armenian": "hy", "georgian": "ka",
    "azerbaijani": "az", "chinese": "zh",
}  # fmt: skip
# Whisper's own rule for a segment in which nobody speaks.
NO_SPEECH, LOW_LOGPROB = 0.6, -1.0


class _Word(BaseModel):
    word: str
    start: float
    end: float
    probability: float | None = None


class _Segment(BaseModel):
    text: str
    start: float
    end: float
    avg_logprob: float = 0.0
    no_speech_prob: float = 0.0
    words: list[_Word] | None = None

    @property
    def silent(self) -> bool:
        return self.no_speech_prob > NO_SPEECH and self.avg_logprob < LOW_LOGPROB

    @property
    def confidence(self) -> float:
        return math.exp(min(self.avg_logprob, 0.0))


class _Answer(BaseModel):
    text: str
    language: str | None = None
    segments: list[_Segment] | None = None
    words: list[_Word] | None = Field(None)


def heard(body: Any, language: str | None, seconds: float) -> Heard:
    """The words of an answer about a clip of `seconds`; punctuation comes from the segments, times from the words.

    A server that gives no words gets them spread over its segments. Raises `PermanentError` when there are no times at all.
    """
    try:
        answer = _Answer.model_validate(body)
    except ValidationError as error:
        raise _bad("the answer is not verbose_json") from error
    segments = answer.segments or []
    if answer.text.strip() and not segments and not answer.words:
        raise _bad("the answer has neither segments nor words")
    raw = answer.words or [word for segment in segments for word in segment.words or ()]
    words = _timed(raw, segments) if raw else [word for segment in segments if not segment.silent for word in _spread(segment)]
    return Heard(tuple(_inside(words, seconds)), language or _code(answer.language))


def _code(name: str | None) -> str:
    lowered = (name or "").strip().lower()
    return CODES.get(lowered, lowered or "ru")


def _timed(raw: Sequence[_Word], segments: Sequence[_Segment]) -> list[Word]:
    """Words with their times and, where the segments spell the same word with punctuation, with that spelling."""
    kept = [word for word in raw if word.word.strip() and not _silent_at(segments, (word.start + word.end) / 2)]
    spelled = [token for segment in segments for token in segment.text.split()]
    texts = [word.word.strip() for word in kept]
    same = SequenceMatcher(None, [plain(t) for t in texts], [plain(t) for t in spelled], autojunk=False).get_matching_blocks()
    for block in same:
        texts[block.a : block.a + block.size] = spelled[block.b : block.b + block.size]
    return [
        Word(start=word.start, end=word.end, text=text, confidence=_confidence(word, segments))
        for word, text in zip(kept, texts, strict=True)
    ]


def _confidence(word: _Word, segments: Sequence[_Segment]) -> float:
    if word.probability is not None:
        return word.probability
    segment = _segment_at(segments, (word.start + word.end) / 2)
    return segment.confidence if segment else 1.0


def _silent_at(segments: Sequence[_Segment], time: float) -> bool:
    segment = _segment_at(segments, time)
    return segment is not None and segment.silent


def _segment_at(segments: Sequence[_Segment], time: float) -> _Segment | None:
    return next((segment for segment in segments if segment.start <= time <= segment.end), None)


def _spread(segment: _Segment) -> Iterator[Word]:
    """The words of a segment, each with a share of its time by its length."""
    tokens = segment.text.split()
    total = sum(len(token) + 1 for token in tokens)
    time = segment.start
    for token in tokens:
        share = (segment.end - segment.start) * (len(token) + 1) / total
        yield Word(start=time, end=time + share, text=token, confidence=segment.confidence)
        time += share


def _inside(words: Sequence[Word], seconds: float) -> Iterator[Word]:
    """Words that begin in the clip, none ending after it or before it begins."""
    for word in words:
        if 0 <= word.start < seconds:
            yield word.model_copy(update={"end": min(max(word.end, word.start), seconds)})


def _bad(why: str) -> PermanentError:
    return PermanentError(
        "asr_bad_answer",
        ru="Сервер распознавания отвечает не в формате verbose_json: {why}",
        en="The transcription server does not answer in verbose_json: {why}",
        why=why,
    )
