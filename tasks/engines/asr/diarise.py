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
# Two halves of one voice point the same way (cosine 0.93 and more), two voices never more than 0.87 (docs/adr).
ONE_VOICE = 0.90
ROUNDS = 30

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Voices:
    """Two voices of a recording: `lead` of the first over the second for every 10 ms (0 where unheard), in cosines.

    `apart` is the cosine distance between the two; None when there is only one voice.
    """

    lead: Array
    apart: float | None


def voices(sound: Sound, channel: int, speech: Sequence[Piece], encoder: VoiceEncoder, tick: Callable[[], None]) -> Voices:
    """The voices in the speech of one channel; `tick` is called between batches and may raise."""
    windows = [window for piece in speech for window in _windows(piece)]
    empty = np.zeros(sound.levels.shape[1] + 1, np.float32)
    if len(windows) < 2:
        return Voices(empty, None)
    gain = _gain(sound, channel, speech)
    vectors = []
    for first in range(0, len(windows), BATCH):
        tick()
        batch: list[Samples] = [sound.read(channel, *window) * gain for window in windows[first : first + BATCH]]
        vectors.append(encoder.embed(batch))
    margins, cosine = _two_groups(np.concatenate(vectors))
    if cosine > ONE_VOICE:
        return Voices(empty, None)
    return Voices(_lead(windows, margins, len(empty)), 1 - cosine)


def _windows(piece: Piece) -> Iterator[tuple[float, float]]:
    start = piece.start
    while start + WINDOW_SECONDS < piece.end:
        yield start, start + WINDOW_SECONDS
        start += HOP_SECONDS
    yield max(piece.start, piece.end - WINDOW_SECONDS), piece.end


def _gain(sound: Sound, channel: int, speech: Sequence[Piece]) -> float:
    """What brings the speech to the loudness that the encoder knows."""
    spans = [sound.levels[channel, int(p.start * FRAMES_PER_SECOND) : int(p.end * FRAMES_PER_SECOND)] for p in speech]
    power = float(np.mean(10 ** (np.concatenate(spans) / 10)))
    return float(10 ** ((TRAINED_DB - 10 * np.log10(max(power, 1e-10))) / 20))


def _two_groups(vectors: Array) -> tuple[Array, float]:
    """How much nearer each vector is to the first centre than to the second, and the cosine of the two centres.

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
    return np.asarray(margin, np.float32), float(centres[0] @ centres[1])


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
    """Runs of words of one voice: its number 0 or 1, how sure that is (0 to 1), the words. A lone voice is number 0.

    The cheapest path through the words: evidence of each word against the cost of changing voice at that place.
    """
    if heard.apart is None or not words:
        return [(0, 1.0, tuple(words))] if words else []
    scale = heard.apart / 2
    evidence = np.array([_evidence(word, heard.lead) / scale for word in words])
    path = _path(words, evidence)
    runs = []
    for voice, places in groupby(range(len(words)), key=lambda i: path[i]):
        group = list(places)
        sign = 1 if voice == 0 else -1
        seconds = np.array([max(words[i].end - words[i].start, 0.05) for i in group])
        sure = float(np.average(np.clip(sign * evidence[group], -1, 1), weights=seconds))
        runs.append((voice, round(min(max(0.5 + sure / 2, 0.0), 1.0), 3), tuple(words[i] for i in group)))
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
