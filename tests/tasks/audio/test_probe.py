"""What may be a recording, by content alone; and that looking at a hostile one touches nothing else."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import av
import numpy as np
import pytest

from core.errors import BadAudio
from core.settings import Settings
from tasks.audio.probe import JAIL, REFUSALS, bad_audio, probe
from tasks.audio.sniff import kind
from tests.peers.sockets import canary
from tests.peers.sounds import noise, silence, tone, write
from tests.peers.watch import opened

MINUTE = 60.0
SPEECH = tone(440, 3.0)


def refusal(path: Path, settings: Settings) -> str:
    with pytest.raises(BadAudio) as caught:
        probe(path, settings)
    assert caught.value.text("ru") != caught.value.text("en")
    assert "{" not in caught.value.text("ru") + caught.value.text("en")
    return caught.value.reason


def wav(seconds: float, rate: int = 8000, channels: int = 1, size: int | None = None) -> bytes:
    """A-law silence; `size` is what the header claims, in bytes."""
    data = b"\xd5" * round(seconds * rate * channels)
    claimed = len(data) if size is None else size
    fmt = struct.pack("<HHIIHH", 6, channels, rate, rate * channels, channels, 8)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + min(claimed, 2**32 - 37), b"WAVE", b"fmt ", 16)
        + fmt
        + struct.pack("<4sI", b"data", claimed)
        + data
    )


def save(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


class TestAccepted:
    @pytest.mark.parametrize(
        ("name", "codec", "rate", "seen"),
        [
            ("a.wav", "pcm_s16le", 8000, "pcm_s16le"),
            ("b.wav", "pcm_mulaw", 8000, "pcm_mulaw"),
            ("c.wav", "pcm_alaw", 8000, "pcm_alaw"),
            ("d.wav", "adpcm_ms", 8000, "adpcm_ms"),
            ("e.wav", "adpcm_ima_wav", 16000, "adpcm_ima_wav"),
            ("f.wav", "libmp3lame", 16000, "mp3"),
            ("g.ogg", "libopus", 48000, "opus"),
            ("h.ogg", "vorbis", 44100, "vorbis"),
            ("i.ogg", "flac", 16000, "flac"),
            ("j.mp3", "libmp3lame", 8000, "mp3"),
            ("k.mp3", "libmp3lame", 44100, "mp3"),
        ],
    )
    @pytest.mark.parametrize("channels", [1, 2])
    def test_codecs_of_telephone_exchanges(
        self, tmp_path: Path, settings: Settings, name: str, codec: str, rate: int, seen: str, channels: int
    ) -> None:
        if codec == "vorbis" and channels == 1:
            pytest.skip("the encoder at hand makes stereo only")
        path = write(tmp_path / name, np.stack([tone(440, 3.0, rate=rate)] * channels), codec, rate)
        facts = probe(path, settings)
        assert (facts.format, facts.codec, facts.channels, facts.sample_rate) == (name[-3:], seen, channels, rate)
        assert facts.duration == pytest.approx(3.0, abs=0.25)
        assert not facts.truncated

    @pytest.mark.parametrize("extension", ["txt", "mp4", "exe", ""])
    def test_the_extension_counts_for_nothing(self, tmp_path: Path, settings: Settings, extension: str) -> None:
        path = save(tmp_path / f"a.{extension}", wav(1.0))
        assert probe(path, settings).format == "wav"

    def test_a_cover_picture_is_no_video(self, tmp_path: Path, settings: Settings) -> None:
        sound = write(tmp_path / "a.mp3", SPEECH, "libmp3lame").read_bytes()
        covered = save(tmp_path / "b.mp3", _cover() + sound[sound.index(b"\xff") :])
        assert probe(covered, settings).duration == pytest.approx(3.0, abs=0.2)

    def test_an_mp3_cut_out_of_a_stream_begins_in_the_middle_of_a_frame(self, tmp_path: Path, settings: Settings) -> None:
        sound = write(tmp_path / "a.mp3", noise(10.0, 0.1), "libmp3lame").read_bytes()
        assert probe(save(tmp_path / "b.mp3", sound[2000:]), settings).format == "mp3"

    @pytest.mark.parametrize("size", [0xFFFFFFFF, 0, 0x7FFFFFFF])
    def test_a_wav_that_was_streamed_without_its_size(self, tmp_path: Path, settings: Settings, size: int) -> None:
        facts = probe(save(tmp_path / "a.wav", wav(3.0, size=size)), settings)
        assert facts.duration == pytest.approx(3.0)
        assert not facts.truncated

    @pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.ogg"])
    def test_a_truncated_recording_is_accepted_and_marked(self, tmp_path: Path, settings: Settings, name: str) -> None:
        codec = {"mp3": "libmp3lame", "wav": "pcm_mulaw", "ogg": "libopus"}[name[-3:]]
        whole = write(tmp_path / name, noise(10.0, 0.1), codec).read_bytes()
        facts = probe(save(tmp_path / name, whole[: len(whole) // 2]), settings)
        assert facts.truncated
        assert 3.0 < facts.duration < 7.0


class TestLimits:
    def test_forty_five_minutes_are_accepted_and_a_moment_more_is_not(self, tmp_path: Path, settings: Settings) -> None:
        assert probe(save(tmp_path / "a.wav", wav(45 * MINUTE)), settings).duration == 2700.0
        assert refusal(save(tmp_path / "b.wav", wav(45 * MINUTE + 0.2)), settings) == "too_long"

    @pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.ogg", "libopus")])
    def test_the_padding_of_a_codec_does_not_count(self, tmp_path: Path, settings: Settings, name: str, codec: str) -> None:
        limit = settings.model_copy(update={"max_audio_seconds": 30.0})
        assert probe(write(tmp_path / name, silence(30.0), codec), limit).duration == pytest.approx(30.0, abs=0.01)
        assert refusal(write(tmp_path / name, silence(30.5), codec), limit) == "too_long"

    def test_forty_six_minutes_are_counted_whatever_the_header_says(self, tmp_path: Path, settings: Settings) -> None:
        """A minute of mp3 46 times over: its header still promises the one minute."""
        minute = write(tmp_path / "a.mp3", silence(MINUTE), "libmp3lame").read_bytes()
        assert refusal(save(tmp_path / "b.mp3", minute * 46), settings) == "too_long"

    def test_a_hundred_mebibytes_are_accepted_and_one_byte_more_is_not(self, tmp_path: Path, settings: Settings) -> None:
        path = tmp_path / "a.wav"
        rate = 48_000
        head = wav(0.0, rate)
        head = (
            struct.pack("<4sI4s4sI", b"RIFF", 0xFFFFFFFF, b"WAVE", b"fmt ", 16)
            + struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
            + head[36:]
        )
        path.write_bytes(head[:40] + b"\xff\xff\xff\xff")
        with path.open("r+b") as file:
            file.truncate(settings.max_audio_bytes)
        assert probe(path, settings).duration == pytest.approx(1092.3, abs=0.1)
        with path.open("r+b") as file:
            file.truncate(settings.max_audio_bytes + 1)
        assert refusal(path, settings) == "too_large"

    @pytest.mark.parametrize(
        ("channels", "rate", "code"), [(3, 8000, "bad_channels"), (255, 8000, "bad_channels"), (1, 4000, "bad_sample_rate")]
    )
    def test_channels_and_rates_out_of_this_world(self, tmp_path: Path, settings: Settings, channels: int, rate: int, code: str) -> None:
        assert refusal(save(tmp_path / "a.wav", wav(1.0, rate, channels)), settings) == code

    @pytest.mark.parametrize("limit", [{"inspect_seconds": 0.001}, {"inspect_cpu_seconds": 0}, {"inspect_memory_bytes": 50_000_000}])
    def test_a_look_that_exceeds_its_limits_is_a_refusal(self, tmp_path: Path, settings: Settings, limit: dict[str, float]) -> None:
        path = save(tmp_path / "a.wav", wav(3.0))
        assert refusal(path, settings.model_copy(update=limit)) == "inspection_failed"


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "empty_audio"),
            (b"<!DOCTYPE html><html><body>404</body></html>", "not_audio"),
            (b'{"error": "expired"}', "not_audio"),
            (b"\x89PNG\r\n\x1a\n" + bytes(100), "not_audio"),
            (b"\xff\xd8\xff\xe0" + bytes(100), "not_audio"),
            (b"PK\x03\x04" + bytes(100), "not_audio"),
            (b"\x1f\x8b\x08" + bytes(100), "not_audio"),
            (b"%PDF-1.7" + bytes(100), "not_audio"),
            (b"fLaC" + bytes(100), "not_audio"),
            (b"\x00\x00\x00\x20ftypisom" + bytes(100), "not_audio"),
            (b"\xff\xf1\x50\x80" + bytes(100), "not_audio"),
            (b"\xff\xfe<\x00h\x00t\x00m\x00l\x00", "not_audio"),
            (b"RIFF\x24\x00\x00\x00AVI LIST" + bytes(100), "not_audio"),
            (bytes(10_000), "not_audio"),
            (b"RIFF\x24\x00\x00\x00WAVE", "unreadable_audio"),
            (b"OggS" + bytes(200), "unreadable_audio"),
            (b"OggS" + b"\xff" * 5000, "unreadable_audio"),
            (b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"hello" * 1000, "unreadable_audio"),
        ],
    )
    def test_what_is_no_recording(self, tmp_path: Path, settings: Settings, content: bytes, code: str) -> None:
        assert refusal(save(tmp_path / "a.mp3", content), settings) == code

    def test_a_wav_without_sound(self, tmp_path: Path, settings: Settings) -> None:
        assert refusal(save(tmp_path / "a.wav", wav(0.0)), settings) in {"no_audio", "unreadable_audio"}

    def test_a_renamed_video_and_music_of_another_kind(self, tmp_path: Path, settings: Settings) -> None:
        assert refusal(_video(tmp_path / "a.mp4", "mpeg4").rename(tmp_path / "a.mp3"), settings) == "not_audio"
        assert refusal(write(tmp_path / "b.flac", SPEECH, "flac").rename(tmp_path / "b.mp3"), settings) == "not_audio"
        assert refusal(write(tmp_path / "c.mp2", SPEECH, "mp2", 16000).rename(tmp_path / "c.mp3"), settings) == "not_audio"

    def test_a_video_in_an_ogg_container(self, tmp_path: Path, settings: Settings) -> None:
        assert refusal(_video(tmp_path / "a.ogg", "libvpx"), settings) == "has_video"

    def test_several_streams(self, tmp_path: Path, settings: Settings) -> None:
        first = write(tmp_path / "a.ogg", SPEECH, "flac").read_bytes()
        second = write(tmp_path / "b.ogg", SPEECH, "flac").read_bytes()
        assert refusal(save(tmp_path / "c.ogg", _side_by_side(first, second)), settings) == "several_streams"

    def test_every_refusal_speaks_both_languages(self) -> None:
        fields = {"limit_mib": 100, "limit": 2700.0, "codec": "h264", "streams": 2, "channels": 6, "sample_rate": 1, "encoding": "gzip"}
        texts = [bad_audio(code, **fields).text(language) for code in REFUSALS for language in ("ru", "en")]
        assert len(set(texts)) == len(texts)
        assert not any("{" in text for text in texts)


ATTACKS = {
    "concat": "ffconcat version 1.0\nfile secret.wav\n",
    "concat_absolute": "ffconcat version 1.0\nfile {folder}/secret.wav\noption safe 0\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nsecret.wav\n#EXT-X-ENDLIST\n",
    "hls_file": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{folder}/secret.wav\n#EXT-X-ENDLIST\n",
    "hls_http": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:{port}/a.mp3\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>http://127.0.0.1:{port}/</BaseURL></MPD>',
}
PREFIXES = {"plain": b"", "id3": b"ID3\x04\x00\x00\x00\x00\x00\x00", "ogg": b"OggS", "riff": b"RIFF\x24\x00\x00\x00WAVE"}


class TestAttacks:
    @pytest.mark.parametrize("prefix", PREFIXES)
    @pytest.mark.parametrize("attack", ATTACKS)
    def test_scripts_and_playlists_open_no_other_file_and_no_address(
        self, tmp_path: Path, settings: Settings, attack: str, prefix: str
    ) -> None:
        save(tmp_path / "secret.wav", wav(3.0))
        with canary() as bird, opened(tmp_path) as names:
            text = ATTACKS[attack].format(folder=tmp_path, port=bird.port)
            path = save(tmp_path / "a.mp3", PREFIXES[prefix] + text.encode())
            assert refusal(path, settings) in {"not_audio", "unreadable_audio"}
        assert set(names) <= {"a.mp3"}
        assert bird.connections == 0

    @pytest.mark.parametrize("demuxer", ["concat", "hls", "sdp", "dash"])
    def test_even_the_demuxer_they_hope_for_finds_nothing_to_open(self, tmp_path: Path, demuxer: str) -> None:
        """The jail itself, told to use the dangerous demuxer: there is no file descriptor left to open anything with."""
        save(tmp_path / "secret.wav", wav(3.0))
        with canary() as bird, opened(tmp_path) as names:
            for name, text in ATTACKS.items():
                if name.startswith(demuxer):
                    path = save(tmp_path / "a.mp3", text.format(folder=tmp_path, port=bird.port).encode())
                    with path.open("rb") as file:
                        command = [sys.executable, "-I", str(JAIL), demuxer, "2700", "20", str(2**30)]
                        done = subprocess.run(command, stdin=file, capture_output=True, cwd=tmp_path, timeout=60, check=False)
                    assert done.returncode or b'"code"' in done.stdout
        assert "secret.wav" not in names
        assert bird.connections == 0

    def test_the_canary_sings_when_the_same_script_is_opened_without_care(self, tmp_path: Path) -> None:
        save(tmp_path / "secret.wav", wav(3.0))
        script = save(tmp_path / "a.mp3", ATTACKS["concat"].encode())
        with opened(tmp_path) as names, av.open(str(script)) as container:
            assert container.streams.audio
        assert "secret.wav" in names


class TestSniff:
    @pytest.mark.parametrize("bitrate", [8000, 16000, 64000, 128000])
    @pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
    def test_frames_are_found_at_every_rate(self, tmp_path: Path, bitrate: int, rate: int) -> None:
        path = write(tmp_path / "a.mp3", noise(2.0, 0.1, rate), "libmp3lame", rate, bit_rate=bitrate)
        sound = path.read_bytes()
        first = sound.index(b"\xff", 10)
        assert kind(sound[first : first + 4096]) == "mp3"
        assert kind(sound[first + 1 : first + 4097]) == "mp3"

    @pytest.mark.parametrize("seed", range(20))
    def test_random_bytes_are_no_recording(self, seed: int) -> None:
        assert kind(b"\x00" + np.random.default_rng(seed).bytes(4095)) is None

    def test_a_short_head_never_fails(self) -> None:
        sound = b"\xff\xfb\x90\x00" + bytes(20)
        assert {kind(sound[:length]) for length in range(4)} == {None}
        assert kind(sound[:4]) == "mp3"


def _side_by_side(first: bytes, second: bytes) -> bytes:
    """Two Ogg streams in one file: a container wants the first pages of all streams before anything else."""
    one, other = _pages(first), _pages(second)
    return b"".join([one[0], other[0], *one[1:], *other[1:]])


def _pages(stream: bytes) -> list[bytes]:
    starts = [at for at in range(len(stream)) if stream.startswith(b"OggS", at)]
    return [stream[start:end] for start, end in zip(starts, [*starts[1:], len(stream)], strict=True)]


def _video(path: Path, codec: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _cover() -> bytes:
    """An ID3v2.3 tag with a one-pixel PNG as the front cover."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    pixels = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(b"\0\0\0\0")) + chunk(b"IEND", b"")
    picture = b"\0image/png\0\x03\0" + b"\x89PNG\r\n\x1a\n" + pixels
    frame = b"APIC" + struct.pack(">IH", len(picture), 0) + picture
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame
