"""The embedded recogniser on real recordings: words, speakers, no invention, threads and cancelling."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from checklists.transcript import Transcript
from core.errors import BadAudio, Cancelled
from tasks.engines.asr import Job
from tasks.engines.asr.phantoms import plain
from tasks.engines.asr.whisper import WhisperTranscriber
from tests.peers.sounds import noise, read, tone, write


def silent(fraction: float) -> None:
    pass


def word_errors(transcript: Transcript, reference: list[dict[str, Any]]) -> float:
    """Share of wrong words of the whole dialogue in the order of the reference."""
    heard = [word for u in transcript.utterances for word in plain(u.text).split()]
    said = [word for segment in reference for word in plain(segment["text"]).split()]
    return Levenshtein.distance(heard, said) / len(said)


def speakers(transcript: Transcript) -> list[str]:
    return [u.speaker for u in transcript.utterances]


def test_two_channels_are_two_parties_in_order_of_time(
    whisper: WhisperTranscriber, dialogue: Path, reference: list[dict[str, Any]]
) -> None:
    fractions: list[float] = []
    result = whisper.transcribe(Job(dialogue, "ogg", manager_channel="left"), fractions.append)
    transcript = result.transcript
    assert (result.engine, result.model, transcript.language) == ("whisper", "base", "ru")
    assert word_errors(transcript, reference) < 0.2
    assert speakers(transcript) == ["manager", "customer", "manager", "customer"]
    assert [u.id for u in transcript.utterances] == [0, 1, 2, 3]
    for utterance, segment in zip(transcript.utterances, reference, strict=True):
        assert utterance.start == pytest.approx(segment["start"], abs=0.5)
        assert utterance.end == pytest.approx(segment["end"], abs=0.7)
        assert utterance.channel == segment["channel"]
        assert utterance.text == " ".join(word.text for word in utterance.words)
        assert 0 < utterance.confidence <= 1
        assert utterance.speaker_confidence == 1.0
    assert transcript.speakers_sure
    assert not transcript.partial
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert transcript.duration == pytest.approx(27.6, abs=0.1)
    assert len(result.peaks) == 1600
    assert 0.1 < max(result.peaks) <= 1.0
    assert transcript.metrics["audio"]["layout"] == "stereo"
    assert transcript.metrics["talk"]["manager"] > transcript.metrics["talk"]["customer"] > 3


def test_without_a_field_the_manager_is_guessed_by_the_greeting(whisper: WhisperTranscriber, dialogue: Path, tmp_path: Path) -> None:
    swapped = write(tmp_path / "a.wav", read(dialogue)[::-1], "pcm_mulaw")
    transcript = whisper.transcribe(Job(swapped, "wav"), silent).transcript
    assert speakers(transcript) == ["manager", "customer", "manager", "customer"]
    assert {u.channel for u in transcript.utterances if u.speaker == "manager"} == {1}
    assert all(u.speaker_confidence < 1 for u in transcript.utterances)


def test_what_leaks_into_the_other_channel_is_not_written_twice(
    whisper: WhisperTranscriber, dialogue: Path, reference: list[dict[str, Any]], tmp_path: Path
) -> None:
    call = read(dialogue)
    leaking = write(tmp_path / "a.wav", call + 10 ** (-18 / 20) * call[::-1], "pcm_s16le")
    transcript = whisper.transcribe(Job(leaking, "wav", manager_channel="left"), silent).transcript
    assert word_errors(transcript, reference) < 0.2
    assert speakers(transcript) == ["manager", "customer", "manager", "customer"]


@pytest.mark.parametrize("channels", [1, 2], ids=["mono", "the same mix twice"])
def test_one_mix_is_told_apart_by_voice(
    whisper: WhisperTranscriber, dialogue: Path, reference: list[dict[str, Any]], tmp_path: Path, channels: int
) -> None:
    mix = np.stack([read(dialogue).sum(axis=0)] * channels)
    transcript = whisper.transcribe(Job(write(tmp_path / "a.wav", mix, "pcm_alaw"), "wav"), silent).transcript
    assert transcript.metrics["audio"]["layout"] == {1: "mono", 2: "dual_mono"}[channels]
    assert word_errors(transcript, reference) < 0.25
    right = [
        u.speaker == ("manager" if segment["channel"] == 0 else "customer")
        for u in transcript.utterances
        for word in u.words
        for segment in reference
        if segment["start"] <= (word.start + word.end) / 2 <= segment["end"]
    ]
    assert np.mean(right) > 0.95
    assert all(u.channel is None and u.speaker_confidence < 1 for u in transcript.utterances)


def test_nobody_speaks_nothing_is_written(whisper: WhisperTranscriber, tmp_path: Path) -> None:
    beat = np.arange(15 * 8000) % 40000 < 8000
    nothing = np.concatenate([noise(15.0, 0.05), (tone(425, 15.0) * beat).astype(np.float32), noise(10.0, 0.001)])
    transcript = whisper.transcribe(Job(write(tmp_path / "a.wav", nothing, "pcm_mulaw"), "wav"), silent).transcript
    assert transcript.utterances == ()
    assert transcript.metrics["silence_share"] == 1.0
    assert transcript.speakers_sure


def test_a_damaged_recording_is_transcribed_as_far_as_it_goes(whisper: WhisperTranscriber, dialogue: Path, tmp_path: Path) -> None:
    half = tmp_path / "a.ogg"
    half.write_bytes(dialogue.read_bytes()[:60_000])
    transcript = whisper.transcribe(Job(half, "ogg", manager_channel="left"), silent).transcript
    assert transcript.partial
    assert transcript.warnings == ("damaged",)
    assert "меня зовут" in plain(transcript.text)
    with pytest.raises(BadAudio):
        whisper.transcribe(Job(half, "wav"), silent)


def test_progress_can_stop_the_work_at_once(whisper: WhisperTranscriber, dialogue: Path) -> None:
    told: list[float] = []

    def cancel(fraction: float) -> None:
        told.append(fraction)
        if fraction > 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        whisper.transcribe(Job(dialogue, "ogg"), cancel)
    assert told[-1] < 0.1


@pytest.mark.slow
def test_two_calls_at_once_hear_what_each_hears_alone(whisper: WhisperTranscriber, dialogue: Path, tmp_path: Path) -> None:
    call = read(dialogue)
    jobs = [
        Job(dialogue, "ogg", manager_channel="left"),
        Job(write(tmp_path / "a.wav", call[:, : 15 * 8000], "pcm_s16le"), "wav", manager_channel="left"),
    ]
    alone = [whisper.transcribe(job, silent).transcript.text for job in jobs]
    with ThreadPoolExecutor(2) as pool:
        together = [r.transcript.text for r in pool.map(lambda job: whisper.transcribe(job, silent), jobs)]
    assert together == alone


def test_the_language_can_be_detected(whisper: WhisperTranscriber, dialogue: Path) -> None:
    assert whisper.transcribe(Job(dialogue, "ogg", language=None), silent).transcript.language == "ru"


def test_names_help_and_do_not_leak(whisper: WhisperTranscriber, dialogue: Path, tmp_path: Path) -> None:
    names = ("Вектор Софт", "Анна Смирнова")
    heard = whisper.transcribe(Job(dialogue, "ogg", manager_channel="left", hotwords=names), silent).transcript.text
    assert "вектор софт" in plain(heard)
    quiet = write(tmp_path / "a.wav", noise(30.0, 0.02), "pcm_mulaw")
    assert whisper.transcribe(Job(quiet, "wav", hotwords=names), silent).transcript.utterances == ()
