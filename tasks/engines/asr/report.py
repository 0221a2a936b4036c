"""A recognition as the JSON of `rop transcribe --json`, a shape that tools outside the repository read."""

from __future__ import annotations

from typing import Any

from checklists.transcript import Utterance
from tasks.engines.asr import Recognition

UTTERANCE_KEYS = ("start", "end", "speaker", "channel", "text", "confidence")


def as_json(recognition: Recognition) -> dict[str, Any]:
    """`{"language", "duration", "utterances": […], "metrics": {…}}`; times in seconds, what went wrong is in `metrics`."""
    transcript = recognition.transcript
    state = {"partial": transcript.partial, "warnings": list(transcript.warnings), "engine": recognition.engine, "model": recognition.model}
    return {
        "language": transcript.language,
        "duration": transcript.duration,
        "utterances": [_utterance(utterance) for utterance in transcript.utterances],
        "metrics": {**transcript.metrics, **state},
    }


def _utterance(utterance: Utterance) -> dict[str, Any]:
    whole = utterance.model_dump()
    return {**{key: whole[key] for key in UTTERANCE_KEYS}, "words": [word.model_dump() for word in utterance.words]}
