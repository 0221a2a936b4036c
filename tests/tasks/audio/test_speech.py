"""Speech is found behind the steepest telephone filter, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.settings import Settings
from tasks.audio.decode import decode
from tasks.audio.speech import WINDOW_SECONDS, Piece, SpeechRules, pieces, probabilities
from tests.peers.sounds import Samples, noise, read, tone, write

DIALOGUE = Path(__file__).parents[2] / "data" / "dialogue.ogg"
RATE = 8000


def _telephone(samples: Samples) -> Samples:
    """Nothing below 300 Hz and above 3400 Hz: the steepest filter there can be."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(samples.shape[-1], 1 / RATE)
    spectrum[..., (hertz < 300) | (hertz > 3400)] = 0
    return np.fft.irfft(spectrum, samples.shape[-1]).astype(np.float32)


def _speech(samples: Samples, folder: Path, settings: Settings) -> list[Piece]:
    with decode(write(folder / "a.wav", samples, "pcm_mulaw"), "wav", settings) as sound:
        return pieces(probabilities(sound, 0, lambda: None), 0, sound.seconds, SpeechRules())


def test_a_low_voice_behind_a_steep_filter_is_heard_as_well_as_without_it(tmp_path: Path, settings: Settings) -> None:
    manager = read(DIALOGUE)[0]
    manager *= 0.1 / np.std(manager)
    open_line = sum(piece.seconds for piece in _speech(manager, tmp_path, settings))
    filtered = sum(piece.seconds for piece in _speech(_telephone(manager) + noise(len(manager) / RATE, 0.002), tmp_path, settings))
    assert filtered == pytest.approx(open_line, rel=0.1)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(20 * RATE, np.float32),
        noise(20.0, 0.1),
        tone(425, 20.0) * (np.arange(20 * RATE) % (5 * RATE) < RATE),
        tone(425, 20.0) * (np.arange(20 * RATE) % 5600 < 2800),
        (tone(770, 20.0) + tone(1336, 20.0)) * (np.arange(20 * RATE) % 2400 < 1200),
        noise(20.0, 0.003) + tone(50, 20.0, level=0.02),
    ],
    ids=["silence", "noise", "ring-back", "busy", "DTMF", "hum"],
)
def test_no_speech_where_nobody_speaks(tmp_path: Path, settings: Settings, sound: Samples) -> None:
    assert _speech(sound.astype(np.float32), tmp_path, settings) == []


def test_blocks_do_not_show(tmp_path: Path, settings: Settings) -> None:
    """The model's memory goes on from one block to the next: a call that crosses many is cut as it is by itself."""
    manager = read(DIALOGUE)[0]
    with decode(write(tmp_path / "a.wav", np.tile(manager, 3), "pcm_s16le"), "wav", settings) as sound:
        long = probabilities(sound, 0, lambda: None)
    with decode(write(tmp_path / "b.wav", manager, "pcm_s16le"), "wav", settings) as sound:
        short = probabilities(sound, 0, lambda: None)
    again = long[-len(short) :] > 0.5
    assert np.mean(again == (short > 0.5)) > 0.95


def test_finding_speech_can_be_stopped(tmp_path: Path, settings: Settings) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with decode(DIALOGUE, "ogg", settings) as sound, pytest.raises(KeyboardInterrupt):
        probabilities(sound, 0, stop)


def test_pieces_are_padded_but_never_overlap() -> None:
    chance = np.zeros(200, np.float32)
    chance[50:80] = chance[90:120] = 0.9
    first, second = pieces(chance, 1, 200 * WINDOW_SECONDS, SpeechRules(pad=0.4))
    assert first.end == second.start == pytest.approx(85 * WINDOW_SECONDS)
    assert first.start == pytest.approx(50 * WINDOW_SECONDS - 0.4)
    assert first.channel == 1


def test_a_long_monologue_is_cut_where_speech_is_least_likely() -> None:
    chance = np.full(2000, 0.9, np.float32)
    chance[700] = 0.4
    parts = pieces(chance, 0, 2000 * WINDOW_SECONDS, SpeechRules(longest=29.0))
    assert all(part.seconds <= 29.0 for part in parts)
    assert parts[0].end == pytest.approx(700 * WINDOW_SECONDS)
    assert sum(part.seconds for part in parts) == pytest.approx(2000 * WINDOW_SECONDS)
