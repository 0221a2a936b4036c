"""What the channels of a recording are: two parties, one mix, or one mix twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.audio.sound import Levels, Sound, decibels

Kind = Literal["stereo", "mono", "dual_mono", "one_silent"]
# Two parties of real calls correlate at 0.05; the same signal sent through a codec twice stays above 0.95.
SAME_SIGNAL = 0.9
# The levels of two parties differ now one way, now the other; a copy keeps its distance, even when it comes a little late.
COARSE_FRAMES = 20
STEADY_DB, STEADY_SHARE = 3.0, 0.9
SILENT_DB = -65.0
ACTIVE_DB = -50.0


@dataclass(frozen=True)
class Layout:
    """`channels` are those to listen to; only of a `stereo` recording is each channel one party."""

    kind: Kind
    channels: tuple[int, ...]

    @property
    def separate(self) -> bool:
        return self.kind == "stereo"


def layout(sound: Sound) -> Layout:
    """How to listen to a recording."""
    if sound.channels == 1:
        return Layout("mono", (0,))
    loud = np.percentile(sound.levels, 99.5, axis=1)
    louder = int(np.argmax(loud))
    if loud.min() < SILENT_DB:
        return Layout("one_silent", (louder,))
    if _same(sound):
        return Layout("dual_mono", (louder,))
    return Layout("stereo", (0, 1))


def _same(sound: Sound) -> bool:
    if abs(sound.correlation or 0.0) > SAME_SIGNAL:
        return True
    levels = _coarse(sound.levels)
    active = levels[:, levels.max(axis=0) > ACTIVE_DB]
    if active.shape[1] == 0:
        return False
    distance = active[0] - active[1]
    return bool(np.mean(np.abs(distance - np.median(distance)) < STEADY_DB) > STEADY_SHARE)


def _coarse(levels: Levels) -> Levels:
    """Levels of 200 ms instead of 10."""
    whole = levels.shape[1] // COARSE_FRAMES * COARSE_FRAMES
    power = 10 ** (levels[:, :whole].reshape(len(levels), -1, COARSE_FRAMES) / 10)
    return decibels(power.mean(axis=2))
