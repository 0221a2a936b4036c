"""The voice encoder in numpy, and telling two voices apart."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from checklists.transcript import Word
from core.settings import Settings
from tasks.audio.decode import decode
from tasks.audio.sound import RATE
from tasks.audio.speech import SpeechRules, pieces, probabilities
from tasks.engines.asr.diarise import Voices, by_voice, voices
from tasks.engines.asr.voices import WINDOW_SECONDS, _Reader, encoder
from tests.peers.sounds import Samples, read, write


@pytest.fixture(scope="module")
def sides(dialogue: Path) -> tuple[Samples, Samples]:
    call = read(dialogue, RATE)
    return call[0, int(1.5 * RATE) : int(10 * RATE)], call[1, int(11.6 * RATE) : int(14.2 * RATE)]


def windows(samples: Samples) -> list[Samples]:
    size = int(WINDOW_SECONDS * RATE)
    return [samples[i : i + size] * 0.3 for i in range(0, len(samples) - size, size // 2)]


def test_one_voice_points_one_way_and_another_voice_another(sides: tuple[Samples, Samples]) -> None:
    manager, customer = (encoder().embed(windows(side)) for side in sides)
    assert np.allclose(np.linalg.norm(manager, axis=1), 1, atol=1e-4)
    assert manager.shape[1] == 256
    same, other = float((manager @ manager.T).mean()), float((manager @ customer.T).mean())
    assert same > 0.7
    assert same - other > 0.1


def test_the_file_of_weights_can_build_nothing_but_tensors(tmp_path: Path) -> None:
    attack = tmp_path / "a.pt"
    attack.write_bytes(pickle.dumps(Path.unlink))
    with attack.open("rb") as file, pytest.raises(pickle.UnpicklingError):
        _Reader(file).load()


def test_one_speaker_is_not_split_in_two(settings: Settings, tmp_path: Path, sides: tuple[Samples, Samples]) -> None:
    path = write(tmp_path / "a.wav", sides[0], "pcm_s16le", RATE)
    with decode(path, "wav", settings) as sound:
        speech = pieces(probabilities(sound, 0, lambda: None), 0, sound.seconds, SpeechRules(pad=0.1))
        assert voices(sound, 0, speech, encoder(), lambda: None).distinct == 0


def word(start: float, text: str = "слово") -> Word:
    return Word(start=start, end=start + 0.4, text=text)


def lead(*parts: tuple[float, float]) -> Voices:
    """Voices whose lead has a value for a number of seconds each."""
    return Voices(np.concatenate([np.full(int(seconds * 100), value, np.float32) for seconds, value in parts]), 1.0)


def test_words_follow_the_voice_around_them() -> None:
    heard = lead((2.0, 1.0), (2.0, -1.0))
    words = [word(i * 0.5) for i in range(8)]
    runs = by_voice(words, heard)
    assert [(voice, len(run)) for voice, _, run in runs] == [(0, 4), (1, 4)]
    assert all(sure > 0.9 for _, sure, _ in runs)


def test_a_moment_of_doubt_in_a_sentence_changes_nobody() -> None:
    heard = lead((1.0, 1.0), (0.4, -0.3), (2.0, 1.0))
    assert len(by_voice([word(i * 0.45) for i in range(7)], heard)) == 1


def test_a_lone_voice_or_silence() -> None:
    alone = Voices(np.zeros(100, np.float32), 0.0)
    assert by_voice([], alone) == []
    assert [(voice, len(run)) for voice, _, run in by_voice([word(0), word(0.5)], alone)] == [(0, 2)]
