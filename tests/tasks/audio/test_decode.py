"""Any recording of a telephone exchange becomes 16 kHz samples; what is damaged is said to be."""

from __future__ import annotations

import resource
import struct
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadAudio
from core.settings import Settings
from tasks.audio.decode import decode
from tests.peers.sounds import Samples, noise, silence, tone, write

DIALOGUE = Path(__file__).parents[2] / "data" / "dialogue.ogg"


@pytest.fixture(scope="module")
def two_tones() -> Samples:
    return np.stack([tone(440, 6.0), tone(1000, 6.0, level=0.05)])


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.wav", "pcm_s16le", 8000),
        ("b.wav", "pcm_mulaw", 8000),
        ("c.wav", "pcm_alaw", 11025),
        ("d.wav", "adpcm_ms", 8000),
        ("e.wav", "adpcm_ima_wav", 16000),
        ("f.wav", "pcm_s16le", 44100),
        ("g.ogg", "libopus", 48000),
        ("h.ogg", "vorbis", 44100),
        ("i.mp3", "libmp3lame", 8000),
        ("j.mp3", "libmp3lame", 44100),
    ],
)
def test_every_codec_and_rate_keeps_length_channels_and_pitch(tmp_path: Path, settings: Settings, name: str, codec: str, rate: int) -> None:
    samples = np.stack([tone(440, 6.0, rate=rate), tone(1000, 6.0, level=0.05, rate=rate)])
    path = write(tmp_path / name, samples, codec, rate)
    with decode(path, path.suffix[1:], settings) as sound:  # type: ignore[arg-type]
        assert sound.channels == 2
        assert sound.seconds == pytest.approx(6.0, abs=0.15)
        assert not sound.damaged
        for channel, hertz in enumerate((440, 1000)):
            spectrum = np.abs(np.fft.rfft(sound.read(channel, 2.0, 3.0)))
            assert int(np.argmax(spectrum)) == pytest.approx(hertz, abs=3)
        assert np.median(sound.levels[0]) == pytest.approx(20 * np.log10(0.2 / np.sqrt(2)), abs=1.0)


def test_reading_is_clamped_to_the_recording(tmp_path: Path, settings: Settings, two_tones: Samples) -> None:
    with decode(write(tmp_path / "a.wav", two_tones, "pcm_s16le"), "wav", settings) as sound:
        assert len(sound.read(0, -1.0, 0.5)) == 8000
        assert len(sound.read(1, 5.5, 99.0)) == pytest.approx(8000, abs=64)
        assert len(sound.read(1, 99.0, 100.0)) == 0


def test_nothing_is_left_on_disk(tmp_path: Path, settings: Settings, two_tones: Samples) -> None:
    with decode(write(tmp_path / "a.wav", two_tones, "pcm_s16le"), "wav", settings):
        pass
    with pytest.raises(BadAudio):
        decode(write(tmp_path / "b.wav", two_tones, "pcm_s16le"), "wav", settings.model_copy(update={"max_audio_seconds": 2.0}))
    assert list((settings.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.ogg"])
def test_a_truncated_recording_gives_what_is_there_and_says_so(tmp_path: Path, settings: Settings, two_tones: Samples, name: str) -> None:
    codec = {"mp3": "libmp3lame", "wav": "pcm_mulaw", "ogg": "libopus"}[name[-3:]]
    path = write(tmp_path / name, two_tones, codec)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with decode(path, name[-3:], settings) as sound:  # type: ignore[arg-type]
        assert sound.damaged
        assert 1.0 < sound.seconds < 5.0


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg"])
def test_a_hole_of_garbage_does_not_end_a_recording(tmp_path: Path, settings: Settings, name: str) -> None:
    path = write(tmp_path / name, noise(20.0, 0.1), {"mp3": "libmp3lame", "ogg": "libopus"}[name[-3:]])
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 3000] = b"\x55" * 3000
    path.write_bytes(whole)
    with decode(path, name[-3:], settings) as sound:  # type: ignore[arg-type]
        assert sound.seconds == pytest.approx(20.0, abs=4.0 if name == "a.mp3" else 0.1)
        assert sound.damaged


def test_a_wav_that_was_streamed_without_its_size_is_whole(tmp_path: Path, settings: Settings, two_tones: Samples) -> None:
    path = write(tmp_path / "a.wav", two_tones, "pcm_s16le")
    whole = bytearray(path.read_bytes())
    place = whole.index(b"data") + 4
    whole[place : place + 4] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(whole)
    with decode(path, "wav", settings) as sound:
        assert sound.seconds == pytest.approx(6.0, abs=0.1)
        assert not sound.damaged


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF\x24\x00\x00\x00WAVEfmt ", b"ffconcat version 1.0\nfile secret.wav\n", b"#EXTM3U\nfile:///etc/passwd\n", b"\x00" * 5000],
    ids=["empty", "header only", "concat script", "playlist", "zeros"],
)
@pytest.mark.parametrize("format", ["wav", "mp3", "ogg"])
def test_what_is_not_sound_is_refused_whatever_its_name(tmp_path: Path, settings: Settings, content: bytes, format: str) -> None:
    path = tmp_path / f"a.{format}"
    path.write_bytes(content)
    with pytest.raises(BadAudio):
        decode(path, format, settings)  # type: ignore[arg-type]


def test_no_other_file_is_ever_opened(tmp_path: Path, settings: Settings, two_tones: Samples) -> None:
    write(tmp_path / "secret.wav", two_tones, "pcm_s16le")
    script = tmp_path / "a.mp3"
    script.write_text("ffconcat version 1.0\nfile secret.wav\n")
    for format in ("mp3", "wav", "ogg"):
        with pytest.raises(BadAudio):
            decode(script, format, settings)


def test_a_recording_over_the_limit_is_refused_by_its_sound_and_not_its_header(tmp_path: Path, settings: Settings) -> None:
    path = write(tmp_path / "a.ogg", silence(60.0), "libopus")
    with pytest.raises(BadAudio) as refused:
        decode(path, "ogg", settings.model_copy(update={"max_audio_seconds": 30.0}))
    assert refused.value.reason == "too_long"


def test_clipping_and_level_are_measured(tmp_path: Path, settings: Settings) -> None:
    loud = np.clip(tone(300, 3.0, level=3.0), -1, 1)
    with decode(write(tmp_path / "a.wav", np.stack([loud, tone(300, 3.0, level=0.003)]), "pcm_s16le"), "wav", settings) as sound:
        assert sound.clipped[0] > 0.3
        assert sound.clipped[1] == 0.0
        assert np.median(sound.levels[1]) == pytest.approx(-53.5, abs=1.0)
        assert sound.tops.shape == sound.levels.shape
        assert sound.tops.max() <= 1.0


def test_memory_does_not_grow_with_the_length(tmp_path: Path, settings: Settings) -> None:
    path = write(tmp_path / "a.wav", np.stack([silence(900.0), silence(900.0)]), "pcm_mulaw")
    decode(DIALOGUE, "ogg", settings).close()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with decode(path, "wav", settings) as sound:
        assert sound.seconds == pytest.approx(900.0, abs=0.1)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 40, f"{grown:.0f} MB for 15 minutes of stereo that are 55 MB decoded"
