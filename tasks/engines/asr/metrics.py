"""How the talk went, in numbers: shares, interruptions, monologues, pace and pauses, and how well it was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from checklists.transcript import Utterance
from tasks.audio.sound import Sound
from tasks.audio.speech import WINDOW_SECONDS, Probabilities

SPEAKERS = ("manager", "customer", "unknown")
# Word ends come 0.1 to 0.2 s late, which would count as overlap.
LATE_END_SECONDS = 0.1
# An interruption begins this far into the other's turn, this long before its end, and is more than a «угу».
INTO_SECONDS, BEFORE_END_SECONDS, INTERRUPTION_SECONDS = 0.5, 0.25, 0.8
# A monologue goes on over shorter pauses and over so little of the other side.
MONOLOGUE_GAP_SECONDS, BACKCHANNEL_SECONDS = 3.0, 1.0
QUARTERS = 4

Spans = list[tuple[float, float]]


def talk_metrics(utterances: Sequence[Utterance], duration: float) -> dict[str, Any]:
    """All figures of a call: seconds, shares of the call from 0 to 1, counts; each by speaker where that makes sense.

    `talk` s · `talk_share` of the call · `talk_ratio` manager's part of both sides' talk, None without talk · `silence_share`
    · `longest_silence` s · `overlap` s · `interruptions` made · `longest_monologue` s · `words_per_minute` of talk
    · `reaction` median s before answering the other · `switches` of speaker · `questions` · `words`
    · `quarters` of the call: `talk`, `silence_share`, `interruptions`.
    """
    return {
        "duration": round(duration, 2),
        **_shares(utterances, 0.0, duration),
        "overlap": round(_overlap(utterances), 2),
        "longest_silence": round(_longest_gap(utterances, duration), 2),
        "interruptions": _interruptions(utterances, 0.0, duration),
        "longest_monologue": {who: round(_monologue(utterances, who), 2) for who in SPEAKERS},
        "words": {who: _words(utterances, who) for who in SPEAKERS},
        "words_per_minute": {who: _pace(utterances, who) for who in SPEAKERS},
        "reaction": {who: _reaction(utterances, who) for who in SPEAKERS[:2]},
        "switches": sum(a.speaker != b.speaker for a, b in pairwise(utterances)),
        "questions": {who: sum(u.text.count("?") for u in utterances if u.speaker == who) for who in SPEAKERS},
        "quarters": [_quarter(utterances, duration, i) for i in range(QUARTERS)],
    }


def audio_metrics(sound: Sound, speech: dict[int, Probabilities], layout: str) -> dict[str, Any]:
    """How a recording sounds, a value a channel: loudness of speech in dB of full scale, clipped share, SNR in dB or None."""
    ratios = [_snr(sound, channel, speech.get(channel)) for channel in range(sound.channels)]
    return {
        "layout": layout,
        "level_db": [round(float(np.percentile(row, 90)), 1) for row in sound.levels],
        "clipped_share": [round(share, 5) for share in sound.clipped],
        "snr_db": [None if ratio is None else round(ratio, 1) for ratio in ratios],
    }


def _snr(sound: Sound, channel: int, probability: Probabilities | None) -> float | None:
    """Median loudness of speech over median loudness of the rest; None without either."""
    if probability is None:
        return None
    frames = np.minimum((np.arange(sound.levels.shape[1]) * 0.01 / WINDOW_SECONDS).astype(int), len(probability) - 1)
    chance = probability[frames]
    levels = sound.levels[channel]
    voice, rest = levels[chance > 0.7], levels[chance < 0.1]
    return float(np.median(voice) - np.median(rest)) if len(voice) and len(rest) else None


def _spans(utterances: Sequence[Utterance], who: str | None) -> Spans:
    """Times of a speaker (None: of anybody), merged, without the late end of the last word."""
    raw = sorted((u.start, max(u.start, u.end - LATE_END_SECONDS)) for u in utterances if who is None or u.speaker == who)
    out: Spans = []
    for start, end in raw:
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def _within(spans: Spans, start: float, end: float) -> float:
    return sum(max(0.0, min(b, end) - max(a, start)) for a, b in spans)


def _shares(utterances: Sequence[Utterance], start: float, end: float) -> dict[str, Any]:
    length = max(end - start, 1e-9)
    talk = {who: _within(_spans(utterances, who), start, end) for who in SPEAKERS}
    both = talk["manager"] + talk["customer"]
    return {
        "talk": {who: round(s, 2) for who, s in talk.items()},
        "talk_share": {who: round(s / length, 3) for who, s in talk.items()},
        "talk_ratio": round(talk["manager"] / both, 3) if both else None,
        "silence_share": round(max(0.0, 1 - _within(_spans(utterances, None), start, end) / length), 3),
    }


def _quarter(utterances: Sequence[Utterance], duration: float, i: int) -> dict[str, Any]:
    start, end = duration * i / QUARTERS, duration * (i + 1) / QUARTERS
    shares = _shares(utterances, start, end)
    return {
        "talk": shares["talk"],
        "silence_share": shares["silence_share"],
        "interruptions": _interruptions(utterances, start, end),
    }


def _overlap(utterances: Sequence[Utterance]) -> float:
    others = _spans(utterances, "customer")
    return sum(_within(others, a, b) for a, b in _spans(utterances, "manager"))


def _longest_gap(utterances: Sequence[Utterance], duration: float) -> float:
    edges = [(0.0, 0.0), *_spans(utterances, None), (duration, duration)]
    return max(0.0, *(b[0] - a[1] for a, b in pairwise(edges)))


def _interruptions(utterances: Sequence[Utterance], start: float, end: float) -> dict[str, int]:
    """Interruptions that each side made of the other between two times."""
    made = dict.fromkeys(SPEAKERS[:2], 0)
    for mine in utterances:
        if mine.speaker in made and start <= mine.start < end and any(_interrupts(mine, theirs) for theirs in utterances):
            made[mine.speaker] += 1
    return made


def _interrupts(mine: Utterance, theirs: Utterance) -> bool:
    return (
        theirs.speaker not in {mine.speaker, "unknown"}
        and theirs.start + INTO_SECONDS <= mine.start <= theirs.end - LATE_END_SECONDS - BEFORE_END_SECONDS
        and mine.end - mine.start >= INTERRUPTION_SECONDS
    )


def _monologue(utterances: Sequence[Utterance], who: str) -> float:
    own, others = _spans(utterances, who), [s for o in SPEAKERS if o != who for s in _spans(utterances, o)]
    longest = 0.0
    run: tuple[float, float] | None = None
    for start, end in own:
        if run and start - run[1] < MONOLOGUE_GAP_SECONDS and _within(others, run[1], start) < BACKCHANNEL_SECONDS:
            run = (run[0], end)
        else:
            run = (start, end)
        longest = max(longest, run[1] - run[0])
    return longest


def _words(utterances: Sequence[Utterance], who: str) -> int:
    return sum(len(u.text.split()) for u in utterances if u.speaker == who)


def _pace(utterances: Sequence[Utterance], who: str) -> float | None:
    seconds = sum(b - a for a, b in _spans(utterances, who))
    return round(60 * _words(utterances, who) / seconds, 1) if seconds >= 1 else None


def _reaction(utterances: Sequence[Utterance], who: str) -> float | None:
    """Median pause before this speaker answers the other; an answer before the other's end counts as none."""
    pauses = [
        max(0.0, mine.start - (theirs.end - LATE_END_SECONDS))
        for theirs, mine in pairwise(utterances)
        if mine.speaker == who and theirs.speaker not in {who, "unknown"}
    ]
    return round(median(pauses), 2) if pauses else None
