"""The picture of a recording: loudness over time, the manager above the line, the customer below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from checklists.transcript import Utterance

COLUMNS = 640  # strokes across the picture: more than a wide screen can tell apart
HALF = 50
QUIET = 6  # height of what nobody speaks in, however loud it is, out of HALF
LOUDEST = 46


@dataclass(frozen=True)
class Wave:
    """Paths in a box `columns` wide and 100 high."""

    columns: int
    manager: str
    customer: str
    nobody: str


def draw(peaks: Sequence[float], utterances: Sequence[Utterance], duration: float) -> Wave:
    """The picture of evenly spaced peaks, 0 to 1; empty without any."""
    columns = min(COLUMNS, len(peaks))
    heights = _heights(peaks, columns)
    who = {side: _columns_of(utterances, side, columns, duration) for side in ("manager", "customer")}
    up = "".join(f"M{x} {HALF}v-{heights[x]}" for x in sorted(who["manager"]))
    down = "".join(f"M{x} {HALF}v{heights[x]}" for x in sorted(who["customer"]))
    rest = [(x, min(QUIET, heights[x])) for x in range(columns) if x not in who["manager"] | who["customer"]]
    return Wave(columns, up, down, "".join(f"M{x} {HALF - height}v{2 * height}" for x, height in rest))


def _heights(peaks: Sequence[float], columns: int) -> list[int]:
    loudest = max(peaks, default=0.0) or 1.0
    edges = [len(peaks) * x // columns for x in range(columns + 1)] if columns else []
    return [max(1, round(LOUDEST * max(peaks[a : max(b, a + 1)]) / loudest)) for a, b in pairwise(edges)]


def _columns_of(utterances: Sequence[Utterance], side: str, columns: int, duration: float) -> set[int]:
    """The columns in which this side speaks."""
    if duration <= 0 or not columns:
        return set()
    spoken = ((u.start, u.end) for u in utterances if u.speaker == side)
    per = columns / duration
    return {x for start, end in spoken for x in range(max(0, int(start * per)), min(columns, int(end * per) + 1))}
