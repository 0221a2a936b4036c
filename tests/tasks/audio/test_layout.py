"""Two parties, one mix, or one mix twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.settings import Settings
from tasks.audio.decode import decode
from tasks.audio.layout import Layout, layout
from tests.peers.sounds import Samples, noise, read, write

DIALOGUE = Path(__file__).parents[2] / "data" / "dialogue.ogg"


@pytest.fixture(scope="module")
def call() -> Samples:
    return read(DIALOGUE)


def _layout(samples: Samples, folder: Path, settings: Settings) -> Layout:
    with decode(write(folder / "a.wav", samples, "pcm_mulaw"), "wav", settings) as sound:
        return layout(sound)


@pytest.mark.parametrize("leak_db", [None, -18, -12])
def test_two_parties_are_two_parties_even_when_they_leak(tmp_path: Path, settings: Settings, call: Samples, leak_db: float | None) -> None:
    leak = 0 if leak_db is None else 10 ** (leak_db / 20)
    assert _layout(call + leak * call[::-1], tmp_path, settings) == Layout("stereo", (0, 1))


@pytest.mark.parametrize(
    "second",
    [
        lambda mix: mix,
        lambda mix: -mix,
        lambda mix: 0.3 * mix,
        lambda mix: mix + noise(len(mix) / 8000, 0.004),
        lambda mix: np.roll(mix, 40),
    ],
    ids=["equal", "inverted", "quieter", "noisier", "5 ms late"],
)
def test_the_same_sound_twice_is_one_mix(tmp_path: Path, settings: Settings, call: Samples, second: object) -> None:
    mix = call.mean(axis=0)
    assert _layout(np.stack([mix, second(mix)]), tmp_path, settings).kind == "dual_mono"  # type: ignore[operator]


def test_a_dead_channel_is_not_a_party(tmp_path: Path, settings: Settings, call: Samples) -> None:
    assert _layout(np.stack([np.zeros_like(call[0]), call[0]]), tmp_path, settings) == Layout("one_silent", (1,))


def test_a_customer_who_says_nothing_still_has_a_line(tmp_path: Path, settings: Settings, call: Samples) -> None:
    assert _layout(np.stack([call[0], noise(len(call[0]) / 8000, 0.003)]), tmp_path, settings).kind == "stereo"


def test_one_channel_is_mono(tmp_path: Path, settings: Settings, call: Samples) -> None:
    assert _layout(call[0], tmp_path, settings) == Layout("mono", (0,))
