"""Decoded samples kept on disk, so that memory does not grow with the length of a call, and what one pass over them tells."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

RATE = 16000
FRAME = 160
FRAMES_PER_SECOND = RATE // FRAME
SILENCE_DB = -100.0
SILENCE_BLOCK = 60 * RATE
TOGETHER = RATE  # samples that are written and measured at once
# 32 dB below full scale a resampled clipped top still stands out as a plateau of equal maxima.
CLIPPED = int(0.985 * 32767)

Samples = NDArray[np.float32]
Levels = NDArray[np.float32]


@dataclass(frozen=True)
class Sound:
    """One or two channels of 16 kHz samples on disk. Safe to read from one thread at a time; close it to free the disk.

    `levels` is the loudness in dB of full scale, shape (channels, frames of 10 ms); `tops` the largest sample of the same
    frames, 0 to 1; `clipped` the share of samples at full scale a channel; `correlation` of the two channels, -1 to 1.
    """

    files: tuple[IO[bytes], ...]
    samples: int
    levels: Levels
    tops: Levels
    clipped: tuple[float, ...]
    correlation: float | None
    damaged: bool = False

    @property
    def channels(self) -> int:
        return len(self.files)

    @property
    def seconds(self) -> float:
        return self.samples / RATE

    def read(self, channel: int, start: float, end: float) -> Samples:
        """Samples of a channel between two times in seconds, -1 to 1; clamped to the recording."""
        first, last = (min(max(round(t * RATE), 0), self.samples) for t in (start, end))
        file = self.files[channel]
        file.seek(first * 2)
        raw = np.frombuffer(file.read(max(last - first, 0) * 2), np.int16)
        return raw.astype(np.float32) / np.float32(32768)

    def close(self) -> None:
        for file in self.files:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@dataclass
class _Moments:
    """Running sums for the correlation of two channels."""

    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(5))
    count: int = 0

    def add(self, block: NDArray[np.int16]) -> None:
        left, right = block[0].astype(np.float64), block[1].astype(np.float64)
        self.sums += (left.sum(), right.sum(), left @ left, right @ right, left @ right)
        self.count += len(left)

    def correlation(self) -> float:
        sx, sy, sxx, syy, sxy = self.sums / max(self.count, 1)
        spread = (sxx - sx * sx) * (syy - sy * sy)
        return float((sxy - sx * sy) / np.sqrt(spread)) if spread > 0 else 0.0


class SoundWriter:
    """Takes blocks of int16 samples, shape (channels, n), and ends in a `Sound`."""

    def __init__(self, folder: Path, channels: int) -> None:
        self.samples = 0
        self._waiting: list[NDArray[np.int16]] = []
        self._counted = 0
        self._files = tuple(tempfile.TemporaryFile(dir=folder) for _ in range(channels))  # noqa: SIM115 - Sound.close
        self._rest = np.empty((channels, 0), np.int16)
        self._levels: list[Levels] = []
        self._tops: list[Levels] = []
        self._clipped = np.zeros(channels)
        self._moments = _Moments()

    def write(self, block: NDArray[np.int16]) -> None:
        """Packets are as short as 20 ms; they are taken a second at a time, which costs a tenth."""
        self._waiting.append(block)
        self.samples += block.shape[1]
        if self.samples - self._counted >= TOGETHER:
            self._count()

    def _count(self) -> None:
        block = np.concatenate(self._waiting, axis=1)
        self._waiting, self._counted = [], self.samples
        for file, samples in zip(self._files, block, strict=True):
            file.write(samples.tobytes())
        self._clipped += (np.abs(block.astype(np.int32)) >= CLIPPED).sum(axis=1)
        if len(block) == 2:
            self._moments.add(block)
        self._measure(block)

    def write_silence(self, samples: int) -> None:
        """Silence in every channel, a minute at a time: a hostile file may claim any length."""
        for first in range(0, samples, SILENCE_BLOCK):
            self.write(np.zeros((len(self._files), min(SILENCE_BLOCK, samples - first)), np.int16))

    def finish(self, *, damaged: bool) -> Sound:
        if self._waiting:
            self._count()
        if self._rest.shape[1]:
            self._measure(np.zeros((len(self._files), FRAME - self._rest.shape[1]), np.int16))
        for file in self._files:
            file.flush()
        return Sound(
            files=self._files,
            samples=self.samples,
            levels=np.concatenate(self._levels, axis=1),
            tops=np.concatenate(self._tops, axis=1),
            clipped=tuple(float(n) / max(self.samples, 1) for n in self._clipped),
            correlation=self._moments.correlation() if len(self._files) == 2 else None,
            damaged=damaged,
        )

    def discard(self) -> None:
        for file in self._files:
            file.close()

    def _measure(self, block: NDArray[np.int16]) -> None:
        joined = np.concatenate([self._rest, block], axis=1)
        frames = joined.shape[1] // FRAME
        self._rest = joined[:, frames * FRAME :]
        cut = joined[:, : frames * FRAME].reshape(len(joined), frames, FRAME).astype(np.float32) / np.float32(32768)
        self._levels.append(decibels(np.mean(cut * cut, axis=2)))
        self._tops.append(np.abs(cut).max(axis=2, initial=0.0))


def decibels(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power relative to full scale in dB, never below `SILENCE_DB`."""
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10))), np.float32)
