"""Speech packed into clips of at most one model window: the encoder costs the same for a full window and a sigh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tasks.audio.sound import Samples, Sound
from tasks.audio.speech import Piece


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
        """Times in the recording of a word at `start` to `end` of the clip; a word belongs to the piece of its middle."""
        before, piece = self._piece_at((start + end) / 2)
        shift = piece.start - before
        inside = [min(max(t + shift, piece.start), piece.end) for t in (start, end)]
        return inside[0], inside[1]

    def holds(self, time: float) -> bool:
        """Whether a moment of the recording is in this clip."""
        return any(piece.start <= time <= piece.end for piece in self.pieces)

    def _piece_at(self, time: float) -> tuple[float, Piece]:
        """The piece that is playing, and how much of the clip was before it."""
        before = 0.0
        for piece in self.pieces[:-1]:
            if time < before + piece.seconds:
                return before, piece
            before += piece.seconds
        return before, self.pieces[-1]


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
