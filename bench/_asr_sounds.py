"""Recordings for the speech bench, made on the spot from the samples: leaks, mixes, forty-five minutes, and sounds that are no speech."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.settings import Settings
from tasks.audio.decode import Format, decode

RATE = 16000
Samples = NDArray[np.float32]


def read(path: Path, settings: Settings) -> Samples:
    """Samples of shape (channels, n) at 16 kHz."""
    suffix: Format = path.suffix[1:]  # type: ignore[assignment]
    with decode(path, suffix, settings) as sound:
        return np.stack([sound.read(channel, 0, sound.seconds) for channel in range(sound.channels)])


def write(path: Path, samples: Samples) -> Path:
    sound = np.atleast_2d(samples)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(sound))
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").T.tobytes())
    return path


def leaking(call: Samples, decibels: float) -> Samples:
    """Each party faintly in the channel of the other."""
    return np.asarray(call + 10 ** (decibels / 20) * call[::-1], np.float32)


def noisy(call: Samples, decibels: float) -> Samples:
    """White noise so far below the speech of each channel."""
    rng = np.random.default_rng(1)
    speech = np.array([[np.sqrt(np.mean(row[np.abs(row) > 0.01] ** 2))] for row in call])
    return np.asarray(call + rng.normal(0, 1, call.shape) * speech * 10 ** (-decibels / 20), np.float32)


def repeated(call: Samples, seconds: float) -> Samples:
    copies = int(np.ceil(seconds * RATE / call.shape[1]))
    return np.tile(call, copies)[:, : int(seconds * RATE)]


def _tone(hertz: float, seconds: float, level: float = 0.15) -> Samples:
    return np.asarray(level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE), np.float32)


def _gate(seconds: float, period: float, on: float) -> NDArray[np.bool_]:
    return (np.arange(int(seconds * RATE)) / RATE) % period < on


def _melody(seconds: float) -> Samples:
    """Plucked and bowed notes with harmonics and vibrato, half a second each, over chords."""
    rng, note = np.random.default_rng(3), np.arange(RATE // 2) / RATE
    scale = 261.6 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
    parts = []
    for _ in range(int(seconds * 2)):
        vibrato = 0.01 * np.sin(2 * np.pi * 5.5 * note) / 5.5
        melody = sum(np.sin(2 * np.pi * h * rng.choice(scale) * (note + vibrato)) / h for h in range(1, 6))
        chord = sum(np.sin(2 * np.pi * rng.choice(scale) / 2 * note) for _ in range(3))
        parts.append(0.05 * (melody * np.exp(-2 * note) + chord))
    return np.concatenate(parts).astype(np.float32)


def no_speech() -> dict[str, Callable[[float], Samples]]:
    """Sounds in which nobody speaks, by the length in seconds."""
    rng = np.random.default_rng(2)
    return {
        "silence": lambda s: np.zeros(int(s * RATE), np.float32),
        "loud noise": lambda s: rng.normal(0, 0.08, int(s * RATE)).astype(np.float32),
        "line noise and hum": lambda s: rng.normal(0, 0.003, int(s * RATE)).astype(np.float32) + _tone(50, s, 0.02),
        "ring-back": lambda s: _tone(425, s) * _gate(s, 5, 1),
        "busy": lambda s: _tone(425, s) * _gate(s, 0.7, 0.35),
        "DTMF": lambda s: (_tone(770, s) + _tone(1336, s)) * _gate(s, 0.4, 0.2),
        "fax": lambda s: _tone(1100, s) * _gate(s, 3.5, 0.5) + _tone(2100, s) * _gate(s, 7, 2),
        "music": _melody,
    }
