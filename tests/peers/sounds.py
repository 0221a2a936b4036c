"""Real recordings made on the spot: any codec of a telephone exchange, from samples."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def read(path: Path, rate: int = 8000) -> Samples:
    """Samples of a recording of ours, shape (channels, n)."""
    blocks = []
    with av.open(str(path)) as container:
        layout = "stereo" if container.streams.audio[0].codec_context.channels == 2 else "mono"
        resampler = av.AudioResampler(format="s16p", layout=layout, rate=rate)
        for frame in (*container.decode(audio=0), None):
            blocks += [out.to_ndarray() for out in resampler.resample(frame)]
    return np.concatenate(blocks, axis=1).astype(np.float32) / np.float32(32768)


def write(path: Path, samples: Samples, codec: str, rate: int = 8000, bit_rate: int | None = None) -> Path:
    """Encodes samples of shape (channels, n), given at `rate`, into the container of the file's suffix."""
    sound = np.atleast_2d(samples)
    interleaved = (np.clip(sound, -1, 1) * 32767).astype(np.int16).T.reshape(1, -1)
    layout = "stereo" if len(sound) == 2 else "mono"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48000 if codec == "libopus" else rate, layout=layout, options={"strict": "experimental"})
        assert isinstance(stream, av.AudioStream)
        if bit_rate:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        fifo = av.AudioResampler(
            format=stream.codec_context.format, layout=layout, rate=stream.codec_context.sample_rate, frame_size=_size(stream)
        )
        for part in (*fifo.resample(frame), *fifo.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def _size(stream: av.AudioStream) -> int:
    return stream.codec_context.frame_size or 1024


def tone(hertz: float, seconds: float, level: float = 0.2, rate: int = 8000) -> Samples:
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def noise(seconds: float, level: float, rate: int = 8000, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(0, level, int(seconds * rate)).astype(np.float32)


def silence(seconds: float, rate: int = 8000) -> Samples:
    return np.zeros(int(seconds * rate), np.float32)
