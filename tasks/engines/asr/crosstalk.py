"""One party faintly heard in the channel of the other, which must not be written down twice."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from checklists.transcript import Word
from tasks.audio.sound import FRAMES_PER_SECOND, Levels
from tasks.audio.speech import WINDOW_SECONDS, Probabilities

# On clean calls this drops one word in 450; leaks are 12 dB and more below the speaker (docs/adr).
GATE_DB = 9.0
SMOOTH_SECONDS = 0.3


def without_leaks(probability: Probabilities, levels: Levels, channel: int) -> Probabilities:
    """Speech probabilities of a channel, zero while the other channel is so much louder that this one only echoes it."""
    size = round(SMOOTH_SECONDS * FRAMES_PER_SECOND)
    power = 10 ** (levels / 10)
    smooth = np.stack([np.convolve(row, np.ones(size) / size, mode="same") for row in power])
    lead = 10 * np.log10(smooth[1 - channel] / smooth[channel])
    middles = ((np.arange(len(probability)) + 0.5) * WINDOW_SECONDS * FRAMES_PER_SECOND).astype(int)
    louder = lead[np.minimum(middles, len(lead) - 1)] > GATE_DB
    return np.where(louder, 0.0, probability).astype(np.float32)


def own_words(words: Iterable[Word], levels: Levels, channel: int) -> list[Word]:
    """The words that were spoken in this channel itself."""
    return [word for word in words if _lead(levels, 1 - channel, word) <= GATE_DB]


def _lead(levels: Levels, other: int, word: Word) -> float:
    """How much louder the other channel is during a word, in dB."""
    first = int(word.start * FRAMES_PER_SECOND)
    span = levels[:, first : max(first + 1, int(word.end * FRAMES_PER_SECOND))]
    if span.shape[1] == 0:
        return 0.0
    mean = 10 * np.log10(np.mean(10 ** (span / 10), axis=1))
    return float(mean[other] - mean[1 - other])
