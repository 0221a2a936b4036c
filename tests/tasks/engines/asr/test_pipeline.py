"""What both recognisers share: names within a limit, the layout of the result, and a first look at speakers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from checklists.transcript import Word
from core.settings import Settings
from tasks.audio.sound import RATE, Samples
from tasks.engines.asr import Job
from tasks.engines.asr.hearing import Heard
from tasks.engines.asr.pipeline import names, recognise
from tests.peers.sounds import read, write


class Clock:
    """A recogniser that hears a word in every half second of a clip, whoever speaks."""

    engine, model, clip_seconds, batch = "clock", "half-second", 29.5, 2

    def __init__(self, text: str = "слово") -> None:
        self.text = text
        self.languages: list[str | None] = []

    def hear(self, clips: Sequence[Samples], language: str | None, hotwords: Sequence[str]) -> list[Heard]:
        self.languages.append(language)
        return [Heard(tuple(self._words(len(clip) / RATE)), language or "kk") for clip in clips]

    def _words(self, seconds: float) -> list[Word]:
        return [Word(start=i / 2, end=i / 2 + 0.4, text=f"{self.text}{i}") for i in range(int(seconds * 2))]


def silent(fraction: float) -> None:
    pass


def test_names_of_every_call_come_first_and_fit_the_limit(settings: Settings) -> None:
    chosen = settings.model_copy(update={"asr_hotwords": ("Вектор Софт",), "asr_hotword_chars": 30})
    job = Job(Path("a.ogg"), "ogg", hotwords=("<|endoftext|>", "Анна Смирнова", "Вектор Софт", "Очень Длинное Название", "Ян"))
    assert names(job, chosen) == ["Вектор Софт", "Анна Смирнова", "Ян"]


def test_a_detected_language_stays_for_the_call(settings: Settings, dialogue: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.tile(read(dialogue), 4), "pcm_mulaw")
    recogniser = Clock()
    result = recognise(Job(path, "wav", language=None), recogniser, settings, silent)
    assert recogniser.languages[0] is None
    assert set(recogniser.languages[1:]) == {"kk"}
    assert result.transcript.language == "kk"


def test_words_lie_inside_the_speech_of_their_channel(settings: Settings, dialogue: Path) -> None:
    transcript = recognise(Job(dialogue, "ogg", manager_channel="left"), Clock(), settings, silent).transcript
    spoken = {0: ((0.4, 11.4), (14.3, 24.8)), 1: ((11.0, 15.0), (24.2, 27.6))}
    placed = [(u.channel or 0, word) for u in transcript.utterances for word in u.words]
    outside = [(channel, word) for channel, word in placed if not any(a <= word.start <= word.end <= b for a, b in spoken[channel])]
    assert outside == []


def test_the_manager_field_decides_and_nothing_else(settings: Settings, dialogue: Path) -> None:
    for side, first in (("left", "manager"), ("right", "customer")):
        transcript = recognise(Job(dialogue, "ogg", manager_channel=side), Clock("меня зовут"), settings, silent).transcript  # type: ignore[arg-type]
        assert transcript.utterances[0].speaker == first
        assert transcript.utterances[0].speaker_confidence == 1.0


def test_a_lone_voice_on_a_dead_pair_is_the_side_of_its_channel(settings: Settings, dialogue: Path, tmp_path: Path) -> None:
    manager = read(dialogue)[0]
    path = write(tmp_path / "a.wav", np.stack([np.zeros_like(manager), manager]), "pcm_mulaw")
    for side, speaker in (("right", "manager"), ("left", "customer")):
        transcript = recognise(Job(path, "wav", manager_channel=side), Clock(), settings, silent).transcript  # type: ignore[arg-type]
        assert {u.speaker for u in transcript.utterances} == {speaker}
        assert not transcript.speakers_sure
    guessed = recognise(Job(path, "wav"), Clock(), settings, silent).transcript
    assert guessed.metrics["audio"]["layout"] == "one_silent"
    assert {u.speaker_confidence for u in guessed.utterances} < {0.4, 0.325, 0.25, 0.15}


def test_an_answering_machine_is_no_conversation(settings: Settings, dialogue: Path) -> None:
    class Machine(Clock):
        def _words(self, seconds: float) -> list[Word]:
            text = "абонент временно недоступен оставьте сообщение после сигнала"
            return [Word(start=i * 0.2, end=i * 0.2 + 0.2, text=token) for i, token in enumerate(text.split())]

    transcript = recognise(Job(dialogue, "ogg"), Machine(), settings, silent).transcript
    assert transcript.utterances == ()
    assert transcript.warnings == ("answering_machine",)


@pytest.mark.parametrize("stop_at", [0.0, 0.02, 0.5])
def test_the_disk_is_clean_after_a_cancelled_call(settings: Settings, dialogue: Path, stop_at: float) -> None:
    def stop(fraction: float) -> None:
        if fraction >= stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recognise(Job(dialogue, "ogg"), Clock(), settings, stop)
    folder = settings.root / "tmp"
    assert not folder.exists() or list(folder.iterdir()) == []
