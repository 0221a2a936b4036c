"""Word errors, speakers and turns of a transcript against a reference."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from num2words import num2words
from rapidfuzz.distance import Levenshtein

from checklists.transcript import Transcript

SPEAKERS = {"manager": "manager", "client": "customer"}
START_SECONDS, END_SECONDS = 0.6, 0.8  # a turn is found when it begins and ends this near to the reference
EDGE_SECONDS = 0.15


@dataclass(frozen=True)
class Score:
    """Errors in per cent of the reference's words; `speakers` is the share of words with the right speaker, 0 to 1."""

    merged: float
    by_speaker: float
    speakers: float
    turns: int
    reference_turns: int


def tokens(text: str) -> list[str]:
    """Words as they are compared: lower case, ё as е, numbers in words, no signs."""
    spelled = re.sub(r"\d+", lambda m: f" {num2words(int(m[0]), lang='ru')} ", text.lower().replace("ё", "е"))
    return re.findall(r"\w+", spelled)


def errors(heard: str, said: str) -> tuple[int, int]:
    """Wrong words, and words of the reference."""
    reference = tokens(said)
    return Levenshtein.distance(tokens(heard), reference), len(reference)


def score(transcript: Transcript, segments: list[dict[str, Any]]) -> Score:
    """Segments as in `samples/*.ref.json`, in order of time."""
    wrong, words = errors(transcript.text, " ".join(s["text"] for s in segments))
    apart = [_of_speaker(transcript, segments, raw) for raw in SPEAKERS] if "speaker" in segments[0] else [(wrong, words)]
    return Score(
        merged=100 * wrong / words,
        by_speaker=100 * sum(w for w, _ in apart) / sum(n for _, n in apart),
        speakers=_right_speakers(transcript, segments),
        turns=sum(_found(transcript, segment) for segment in segments if "speaker" in segment),
        reference_turns=len(segments),
    )


def _of_speaker(transcript: Transcript, segments: list[dict[str, Any]], raw: str) -> tuple[int, int]:
    heard = " ".join(u.text for u in transcript.utterances if u.speaker == SPEAKERS[raw])
    return errors(heard, " ".join(s["text"] for s in segments if s["speaker"] == raw))


def _right_speakers(transcript: Transcript, segments: list[dict[str, Any]]) -> float:
    """Of the words whose middle lies in turns of one speaker alone."""
    right = total = 0
    for utterance in transcript.utterances:
        for word in utterance.words:
            middle = (word.start + word.end) / 2
            inside = [s for s in segments if s["start"] - EDGE_SECONDS <= middle <= s["end"] + EDGE_SECONDS]
            speakers = {SPEAKERS.get(s.get("speaker", ""), "unknown") for s in inside}
            if len(speakers) == 1:
                total += 1
                right += utterance.speaker in speakers
    return right / max(total, 1)


def _found(transcript: Transcript, segment: dict[str, Any]) -> bool:
    return any(
        u.speaker == SPEAKERS[segment["speaker"]]
        and abs(u.start - segment["start"]) < START_SECONDS
        and abs(u.end - segment["end"]) < END_SECONDS
        for u in transcript.utterances
    )
