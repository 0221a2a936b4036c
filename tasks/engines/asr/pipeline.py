"""A recording into a transcript, the same for every recogniser: decode, find speech, hear it, and tell who spoke."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from checklists.transcript import Speaker, Transcript, Utterance, Word
from core.settings import Settings
from tasks.audio.decode import decode
from tasks.audio.layout import Layout, layout
from tasks.audio.sound import Sound
from tasks.audio.speech import Probabilities, SpeechRules, audible, pieces, probabilities
from tasks.engines.asr import Job, Progress, Recognition, diarise, voices
from tasks.engines.asr.crosstalk import own_words, without_leaks
from tasks.engines.asr.diarise import by_voice
from tasks.engines.asr.hearing import Heard, Recogniser
from tasks.engines.asr.loops import unlooped
from tasks.engines.asr.metrics import audio_metrics, talk_metrics
from tasks.engines.asr.packs import Clip, pack
from tasks.engines.asr.phantoms import invented, machine_only, spoken
from tasks.engines.asr.roles import manager_party
from tasks.engines.asr.turns import Turn, merged, turns

# Shares of the work that are done when all speech is found, and when it is heard.
FOUND, HEARD = 0.03, 0.98
# For telling voices apart the edges of speech are cut close.
VOICE_RULES = SpeechRules(pad=0.1)
PEAKS = 1600
# A weaker mark than this is none: the utterance belongs to nobody known.
TOLD_SPEAKER = 0.2
CONTROL_MARK = "<|"  # the tokenizer would read such a name as an order to the decoder
LEFT_RIGHT = {"left": 0, "right": 1}


@dataclass(frozen=True)
class Found:
    """Speech of a recording: clips to hear in order of time, and probabilities by channel."""

    layout: Layout
    clips: tuple[tuple[int, Clip], ...]
    speech: dict[int, Probabilities]


def recognise(job: Job, recogniser: Recogniser, settings: Settings, progress: Progress) -> Recognition:
    """The transcript of `job.path`. Whatever `progress` raises ends the work at once."""
    progress(0.0)
    with decode(job.path, job.format, settings) as sound:
        found = find(sound, recogniser.clip_seconds, progress)
        heard = list(_hear(sound, found, recogniser, job.language, names(job, settings), progress))
        language = heard[0].language if heard else (job.language or settings.asr_language)
        words = _said(sound, found, heard)
        said = _by_channel(words) if found.layout.separate else _by_voice(sound, found, words, lambda: progress(HEARD))
        parts = merged(turn for turn in said if not invented(turn.words, _doubt(found, heard, turn)))
        transcript = _transcript(sound, found, parts, job, language)
        progress(1.0)
        return Recognition(transcript, recogniser.engine, recogniser.model, peaks(sound))


def find(sound: Sound, clip_seconds: float, progress: Progress) -> Found:
    """Where somebody speaks, in clips of at most `clip_seconds`."""
    plan = layout(sound)
    rules = SpeechRules(longest=min(clip_seconds, SpeechRules.longest))
    speech: dict[int, Probabilities] = {}
    clips: list[tuple[int, Clip]] = []
    for channel in plan.channels:
        speech[channel] = probabilities(sound, channel, lambda: progress(0.0))
        if plan.separate:
            speech[channel] = without_leaks(speech[channel], sound.levels, channel)
        spans = audible(pieces(speech[channel], channel, sound.seconds, rules), sound.levels)
        clips += [(channel, clip) for clip in pack(spans, clip_seconds)]
    progress(FOUND)
    return Found(plan, tuple(sorted(clips, key=lambda c: c[1].pieces[0].start)), speech)


def names(job: Job, settings: Settings) -> list[str]:
    """Words that are likely, those of every call first, as many as `asr_hotword_chars` hold."""
    kept: list[str] = []
    for name in dict.fromkeys((*settings.asr_hotwords, *job.hotwords)):
        if CONTROL_MARK not in name and sum(len(known) + 2 for known in kept) + len(name) <= settings.asr_hotword_chars:
            kept.append(name)
    return kept


def _hear(
    sound: Sound, found: Found, recogniser: Recogniser, language: str | None, hotwords: Sequence[str], progress: Progress
) -> Iterator[Heard]:
    """What is said in every clip of `found`, a batch at a time; the first batch settles the language."""
    total = sum(clip.seconds for _, clip in found.clips)
    done = 0.0
    for first in range(0, len(found.clips), recogniser.batch):
        batch = found.clips[first : first + recogniser.batch]
        results = recogniser.hear([clip.samples(sound) for _, clip in batch], language, hotwords)
        language = language or Counter(result.language for result in results).most_common(1)[0][0]
        yield from results
        done += sum(clip.seconds for _, clip in batch)
        progress(FOUND + (HEARD - FOUND) * done / total)


def _said(sound: Sound, found: Found, heard: Sequence[Heard]) -> dict[int, list[Word]]:
    """Words by channel in order of time, without loops, credits and the other party's echo."""
    words: dict[int, list[Word]] = {channel: [] for channel in found.layout.channels}
    for (channel, clip), result in zip(found.clips, heard, strict=True):
        words[channel] += _placed(clip, unlooped(spoken(result.words)))
    for channel, own in words.items():
        kept = own_words(own, sound.levels, channel) if found.layout.separate else own
        words[channel] = sorted(kept, key=lambda word: word.start)
    return words


def _by_channel(words: dict[int, list[Word]]) -> list[Turn]:
    """Turns where each channel is a party."""
    left, right = words[0], words[1]
    return [Turn(0, 0, run) for run in turns(left, right)] + [Turn(1, 1, run) for run in turns(right, left)]


def _by_voice(sound: Sound, found: Found, words: dict[int, list[Word]], tick: Callable[[], None]) -> list[Turn]:
    """Turns where both parties share a channel; without voice weights nobody can be told from the other."""
    channel = found.layout.channels[0]
    speech = audible(pieces(found.speech[channel], channel, sound.seconds, VOICE_RULES), sound.levels)
    try:
        encoder = voices.encoder()
    except voices.VoicesUnavailable:
        return [Turn(channel, None, run) for run in turns(words[channel], [])]
    runs = by_voice(words[channel], diarise.voices(sound, channel, speech, encoder, tick))
    return [Turn(channel, voice, run, sure) for voice, sure, spoken_by in runs for run in turns(spoken_by, [])]


def _placed(clip: Clip, words: Sequence[Word]) -> Iterator[Word]:
    for word in words:
        start, end = clip.at(word.start, word.end)
        yield Word(start=round(start, 2), end=round(end, 2), text=word.text, confidence=round(min(max(word.confidence, 0.0), 1.0), 3))


def _doubt(found: Found, heard: Sequence[Heard], turn: Turn) -> float:
    """The recogniser's doubt about the clip in which a turn was heard, 0 to 1."""
    clips = zip(found.clips, heard, strict=True)
    doubts = [h.no_speech for (channel, clip), h in clips if channel == turn.channel and clip.holds(turn.start)]
    return max(doubts, default=0.0)


def _transcript(sound: Sound, found: Found, parts: Sequence[Turn], job: Job, language: str) -> Transcript:
    warnings = ["damaged"] if sound.damaged else []
    if machine_only(turn.text for turn in parts):
        parts = []
        warnings.append("answering_machine")
    utterances = _utterances(parts, found.layout, job)
    metrics: dict[str, Any] = {
        **talk_metrics(utterances, sound.seconds),
        "audio": audio_metrics(sound, found.speech, found.layout.kind),
    }
    return Transcript(
        language=language,
        duration=round(sound.seconds, 2),
        utterances=tuple(utterances),
        partial=sound.damaged,
        metrics=metrics,
        warnings=tuple(warnings),
    )


def _utterances(parts: Sequence[Turn], plan: Layout, job: Job) -> list[Utterance]:
    manager, sure = _manager(parts, plan, job)
    return [_utterance(i, turn, manager, sure, plan) for i, turn in enumerate(parts)]


def _manager(parts: Sequence[Turn], plan: Layout, job: Job) -> tuple[int, float]:
    """The manager's party and how sure that is; the channel field of the CRM decides where a channel is one party."""
    side = LEFT_RIGHT.get(job.manager_channel or "")
    if side is not None and plan.separate:
        return side, 1.0
    if side is not None and plan.kind == "one_silent" and all(turn.party == 0 for turn in parts):
        return (0 if plan.channels == (side,) else 1), 1.0
    return manager_party(parts, job.direction)


def _utterance(number: int, turn: Turn, manager: int, sure: float, plan: Layout) -> Utterance:
    confidence = 0.0 if turn.party is None else round(turn.sure * sure, 3)
    speaker: Speaker = "unknown" if confidence < TOLD_SPEAKER else "manager" if turn.party == manager else "customer"
    return Utterance(
        id=number,
        start=turn.start,
        end=turn.end,
        speaker=speaker,
        channel=turn.channel if plan.separate else None,
        text=turn.text,
        confidence=round(float(np.mean([word.confidence for word in turn.words])), 3),
        speaker_confidence=confidence,
        words=turn.words,
    )


def peaks(sound: Sound) -> tuple[float, ...]:
    """The waveform for the player: `PEAKS` evenly spaced maxima over all channels, 0 to 1."""
    tops = sound.tops.max(axis=0)
    edges = np.linspace(0, len(tops), min(PEAKS, len(tops)) + 1).astype(int)[:-1]
    return tuple(round(float(top), 3) for top in np.maximum.reduceat(tops, edges))
