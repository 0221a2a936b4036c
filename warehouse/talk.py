"""How the two sides talked: who how much, monologues, questions, interruptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

Utterances = Sequence[Mapping[str, Any]]

# A shorter overlap is the recogniser's rounding or an ordinary change of turns.
OVERLAP_SECONDS = 0.3


def metrics(utterances: Utterances, duration: float | None, told: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `fact_call` about the talk; times in seconds, rounded to milliseconds.

    What the transcript tells about itself (`told`) wins, so that reports agree with the page of the call.
    """
    return _counted(utterances, duration) | {name: value for name, value in _told(told, duration).items() if value is not None}


def _told(told: Mapping[str, Any], duration: float | None) -> dict[str, Any]:
    silence = told.get("silence_share")
    return {
        "manager_words": _of(told, "words", "manager"),
        "customer_words": _of(told, "words", "customer"),
        "manager_seconds": _of(told, "talk", "manager"),
        "customer_seconds": _of(told, "talk", "customer"),
        "silence_seconds": round(silence * duration, 3) if silence is not None and duration is not None else None,
        "longest_monologue": _of(told, "longest_monologue", "manager"),
        "manager_questions": _of(told, "questions", "manager"),
        "speaker_switches": told.get("switches"),
        "interruptions": _of(told, "interruptions", "manager"),
    }


def _of(told: Mapping[str, Any], name: str, speaker: str) -> Any:
    return (told.get(name) or {}).get(speaker)


def _counted(utterances: Utterances, duration: float | None) -> dict[str, Any]:
    ordered = sorted(utterances, key=lambda u: (u["start"], u["end"]))
    return {
        "utterances": len(ordered),
        "manager_words": _words(ordered, "manager"),
        "customer_words": _words(ordered, "customer"),
        "manager_seconds": _seconds(ordered, "manager"),
        "customer_seconds": _seconds(ordered, "customer"),
        "silence_seconds": None if duration is None else round(max(0.0, duration - _covered(ordered)), 3),
        "longest_monologue": _longest_monologue(ordered),
        "manager_questions": sum(u["text"].count("?") for u in ordered if u["speaker"] == "manager"),
        "speaker_switches": _switches(ordered),
        "interruptions": _interruptions(ordered),
    }


def _words(utterances: Utterances, speaker: str) -> int:
    return sum(len(u["text"].split()) for u in utterances if u["speaker"] == speaker)


def _seconds(utterances: Utterances, speaker: str) -> float:
    return round(float(sum(u["end"] - u["start"] for u in utterances if u["speaker"] == speaker)), 3)


def _covered(ordered: Utterances) -> float:
    """Seconds in which somebody spoke; overlaps count once."""
    total = reached = 0.0
    for utterance in ordered:
        total += max(0.0, utterance["end"] - max(reached, utterance["start"]))
        reached = max(reached, utterance["end"])
    return total


def _longest_monologue(ordered: Utterances) -> float:
    longest: float = 0.0
    since: float | None = None
    for utterance in ordered:
        if utterance["speaker"] != "manager":
            since = None
            continue
        since = utterance["start"] if since is None else since
        longest = max(longest, utterance["end"] - since)
    return round(longest, 3)


def _switches(ordered: Utterances) -> int:
    known = [u["speaker"] for u in ordered if u["speaker"] != "unknown"]
    return sum(one != other for one, other in pairwise(known))


def _interruptions(ordered: Utterances) -> int:
    """Times the manager began while the customer still spoke."""
    count, customer_until = 0, 0.0
    for utterance in ordered:
        if utterance["speaker"] == "customer":
            customer_until = max(customer_until, utterance["end"])
        elif utterance["speaker"] == "manager":
            count += utterance["start"] < customer_until - OVERLAP_SECONDS
    return count
