"""Who speaks when in one channel: voices of short windows in two groups, then words by the group around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from checklists.transcript import Word
from tasks.audio.sound import FRAMES_PER_SECOND, Samples, Sound
from tasks.audio.speech import Piece
from tasks.engines.asr.voices import BATCH, WINDOW_SECONDS, VoiceEncoder

HOP_SECONDS = 0.4
# The loudness that the encoder was trained at, in dB of full scale.
TRAINED_DB = -30.0
# How alike two groups are, over how alike each is in itself: 0.89 to 0.98 for halves of one voice, 0.75 to 0.90 for two (docs/adr).
ONE_VOICE = 0.89
# From here two voices are told apart as well as they can be.
TWO_VOICES = 0.80
SURE_AT_ONE_VOICE = 0.6
# One voice may also be two that sound alike.
LONE_VOICE = 0.5
# Windows that are compared pairwise: more than that cost memory and tell nothing new.
COMPARED = 600
ROUNDS = 30

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Voices:
    """Two voices of a recording: `lead` of the first over the second for every 10 ms, about 1 where it is clear, 0 where unheard.

    `distinct` is how surely they are two, 0 to 1; 0 when there is only one voice.
    """

    lead: Array
    distinct: float


def voices(sound: Sound, channel: int, speech: Sequence[Piece], encoder: VoiceEncoder, tick: Callable[[], None]) -> Voices:
    """The voices in the speech of one channel; `tick` is called between batches and may raise."""
    windows = [window for piece in speech for window in _windows(piece)]
    frames = sound.levels.shape[1] + 1
    if len(windows) < 2:
        return Voices(np.zeros(frames, np.float32), 0.0)
    gain = _gain(sound, channel, speech)
    vectors = []
    for first in range(0, len(windows), BATCH):
        tick()
        batch: list[Samples] = [sound.read(channel, *_context(*window)) * gain for window in windows[first : first + BATCH]]
        vectors.append(encoder.embed(batch))
    margins = _two_groups(np.concatenate(vectors))
    distinct = _distinct(np.concatenate(vectors), margins > 0, np.array([start for start, _ in windows]))
    return Voices(_lead(windows, margins / (np.abs(margins).mean() + 1e-9), frames), distinct)


def _windows(piece: Piece) -> Iterator[tuple[float, float]]:
    start = piece.start
    while start + WINDOW_SECONDS < piece.end:
        yield start, start + WINDOW_SECONDS
        start += HOP_SECONDS
    yield max(piece.start, piece.end - WINDOW_SECONDS), piece.end


def _context(start: float, end: float) -> tuple[float, float]:
    """A short window with what is around it: the encoder knows no shorter ones, and padding sounds like another voice."""
    missing = max(0.0, WINDOW_SECONDS - (end - start)) / 2
    return start - missing, end + missing


def _gain(sound: Sound, channel: int, speech: Sequence[Piece]) -> float:
    """What brings the speech to the loudness that the encoder knows."""
    spans = [sound.levels[channel, int(p.start * FRAMES_PER_SECOND) : int(p.end * FRAMES_PER_SECOND)] for p in speech]
    power = float(np.mean(10 ** (np.concatenate(spans) / 10)))
    return float(10 ** ((TRAINED_DB - 10 * np.log10(max(power, 1e-10))) / 20))


def _two_groups(vectors: Array) -> Array:
    """How much nearer each vector is to the first centre than to the second, in cosines.

    Spherical 2-means, started from the direction in which the vectors differ most.
    """
    centred = vectors - vectors.mean(axis=0)
    first = np.linalg.svd(centred, full_matrices=False)[2][0]
    group = centred @ first > 0
    for _ in range(ROUNDS):
        centres = np.stack([_centre(vectors, group), _centre(vectors, ~group)])
        margin = vectors @ (centres[0] - centres[1])
        if np.array_equal(margin > 0, group):
            break
        group = margin > 0
    return np.asarray(margin, np.float32)


def _distinct(vectors: Array, group: NDArray[np.bool_], starts: NDArray[np.float64]) -> float:
    """How surely the two groups are two voices: 0 when one voice would look the same, else `SURE_AT_ONE_VOICE` to 1.

    Windows that overlap are left out: they are alike because they are the same sound.
    """
    some = np.unique(np.linspace(0, len(vectors) - 1, COMPARED).astype(int))
    alike = vectors[some] @ vectors[some].T
    apart = np.abs(starts[some][:, None] - starts[some][None]) > WINDOW_SECONDS
    same = group[some][:, None] == group[some][None]
    if not (apart & same).any() or not (apart & ~same).any():
        return 0.0
    ratio = float(alike[apart & ~same].mean() / alike[apart & same].mean())
    if ratio > ONE_VOICE:
        return 0.0
    return min(1.0, SURE_AT_ONE_VOICE + (1 - SURE_AT_ONE_VOICE) * (ONE_VOICE - ratio) / (ONE_VOICE - TWO_VOICES))


def _centre(vectors: Array, group: NDArray[np.bool_]) -> Array:
    mean = vectors[group].mean(axis=0) if group.any() else vectors.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def _lead(windows: Sequence[tuple[float, float]], margins: Array, frames: int) -> Array:
    """Margins of overlapping windows as one line over time; the middle of a window counts most."""
    total, weight = np.zeros(frames, np.float32), np.full(frames, 1e-6, np.float32)
    for (start, end), margin in zip(windows, margins, strict=True):
        first, last = int(start * FRAMES_PER_SECOND), min(int(end * FRAMES_PER_SECOND), frames)
        bell = np.hanning(last - first + 2)[1:-1].astype(np.float32)
        total[first:last] += bell * margin
        weight[first:last] += bell
    return total / weight


# Costs of a change of voice between two words, in seconds of clear evidence against it.
CHANGE_INSIDE, CHANGE_AT_SENTENCE, CHANGE_AT_PAUSE = 1.2, 0.5, 0.2
PAUSE_SECONDS = 0.3
SENTENCE_ENDS = (".", "?", "!", "…")


def by_voice(words: Sequence[Word], heard: Voices) -> list[tuple[int, float, tuple[Word, ...]]]:
    """Runs of words of one voice: its number 0 or 1, how sure that is (0 to 1), the words. A lone voice is number 0, and doubtful.

    The cheapest path through the words: evidence of each word against the cost of changing voice at that place.
    """
    if not heard.distinct or not words:
        return [(0, LONE_VOICE, tuple(words))] if words else []
    evidence = np.array([_evidence(word, heard.lead) for word in words])
    path = _path(words, evidence)
    runs = []
    for voice, places in groupby(range(len(words)), key=lambda i: path[i]):
        group = list(places)
        sign = 1 if voice == 0 else -1
        seconds = np.array([max(words[i].end - words[i].start, 0.05) for i in group])
        sure = float(np.average(np.clip(sign * evidence[group], -1, 1), weights=seconds))
        runs.append((voice, round(heard.distinct * max(0.0, 0.5 + sure / 2), 3), tuple(words[i] for i in group)))
    return runs


def _evidence(word: Word, lead: Array) -> float:
    first, last = int(word.start * FRAMES_PER_SECOND), int(word.end * FRAMES_PER_SECOND)
    span = lead[first : max(last, first + 1)]
    return float(span.mean()) if len(span) else 0.0


def _path(words: Sequence[Word], evidence: NDArray[np.float64]) -> list[int]:
    """The most likely voice of every word (Viterbi over two states)."""
    seconds = np.array([max(word.end - word.start, 0.05) for word in words])
    gain = np.stack([evidence, -evidence], axis=1).clip(-1, 1) * seconds[:, None]
    score, back = gain[0], []
    for i in range(1, len(words)):
        moved = score[::-1] - _change_cost(words[i - 1], words[i])
        back.append(np.where(moved > score, (1, 0), (0, 1)))
        score = np.maximum(score, moved) + gain[i]
    path = [int(np.argmax(score))]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    return path[::-1]


def _change_cost(before: Word, after: Word) -> float:
    if after.start - before.end >= PAUSE_SECONDS:
        return CHANGE_AT_PAUSE
    return CHANGE_AT_SENTENCE if before.text.endswith(SENTENCE_ENDS) else CHANGE_INSIDE
