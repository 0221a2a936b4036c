"""Speech packed into clips of at most one model window: the encoder costs the same for a full window and a sigh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tasks.audio.sound import Samples, Sound
from tasks.audio.speech import Piece

SLACK_SECONDS = 0.1
# Less than this of a word in a piece is the inaccuracy of its times.
REACH_SECONDS = 0.05


@dataclass(frozen=True)
class Clip:
    """Pieces of one channel one after another; `seconds` of sound."""

    pieces: tuple[Piece, ...]

    @property
    def seconds(self) -> float:
        return sum(piece.seconds for piece in self.pieces)

    def samples(self, sound: Sound) -> Samples:
        """The sound of the clip."""
        return np.concatenate([sound.read(piece.channel, piece.start, piece.end) for piece in self.pieces])

    def at(self, start: float, end: float) -> tuple[float, float]:
        """Times in the recording of a word at `start` to `end` of the clip.

        Recognisers let a word begin where the one before it ended, so the silence between them is part of it: a word belongs to the
        last piece whose speech it reaches, and extends no further beyond that speech than `SLACK_SECONDS`.
        """
        shift, piece = self._piece_of(start, end)
        first = max(piece.start, piece.start + piece.before - SLACK_SECONDS)
        last = min(piece.end, piece.end - piece.after + SLACK_SECONDS)
        return min(max(start + shift, first), last), min(max(end + shift, first), last)

    def holds(self, time: float) -> bool:
        """Whether a moment of the recording is in this clip."""
        return any(piece.start <= time <= piece.end for piece in self.pieces)

    def _piece_of(self, start: float, end: float) -> tuple[float, Piece]:
        """What to add to a time of the clip, and the piece, of a word."""
        best = (-float("inf"), 0.0, self.pieces[0])
        played = 0.0
        for piece in self.pieces:
            shift = piece.start - played
            overlap = min(end + shift, piece.end - piece.after) - max(start + shift, piece.start + piece.before)
            if overlap > min(best[0], REACH_SECONDS):
                best = (overlap, shift, piece)
            played += piece.seconds
        return best[1], best[2]


def pack(pieces: Iterable[Piece], longest: float) -> Iterator[Clip]:
    """Clips of at most `longest` seconds, from pieces of one channel in order."""
    held: list[Piece] = []
    seconds = 0.0
    for piece in pieces:
        if held and seconds + piece.seconds > longest:
            yield Clip(tuple(held))
            held, seconds = [], 0.0
        held.append(piece)
        seconds += piece.seconds
    if held:
        yield Clip(tuple(held))
