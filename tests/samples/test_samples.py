"""The committed recordings are what samples/README.md says, and agree with their references and dialogues."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
SCRIPT = ROOT / "scripts" / "make_samples.py"
MAX_BYTES = 5_000_000
MAGIC = {".ogg": b"OggS", ".wav": b"RIFF", ".mp3": b"\xff"}
DEMUXER = {".ogg": "ogg", ".wav": "wav", ".mp3": "mp3"}
RECORDINGS = {
    "good_call.ogg": 2,
    "average_call.mp3": 2,
    "bad_call.wav": 2,
    "silent_call.ogg": 2,
    "call4_stereo.ogg": 2,
    "real_nsh_88s.ogg": 1,
    "h_music.ogg": 1,
    "h_ringback.ogg": 1,
}
CALLS = ["good_call", "average_call", "bad_call"]
STAGES = ["greeting", "needs", "qualification", "presentation", "objection", "price", "next_step", "goodbye"]


def reference(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.ref.json").read_text("utf-8"))
    return found


def dialogue(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((SAMPLES / "dialogues" / f"{name}.yaml").read_text("utf-8"))
    return found


def decoded(path: Path) -> tuple[int, int, float]:
    """Channels, sampling rate and seconds of the audio itself, whatever the header says."""
    with av.open(str(path), format=DEMUXER[path.suffix]) as container:
        stream = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(stream))
        return stream.channels, stream.rate, samples / stream.rate


def test_every_recording_is_known() -> None:
    assert {path.name for path in SAMPLES.iterdir() if path.suffix in MAGIC} == set(RECORDINGS)


def test_every_reference_has_its_recording() -> None:
    for path in SAMPLES.glob("*.ref.json"):
        assert any(Path(name).stem == path.name.removesuffix(".ref.json") for name in RECORDINGS), path.name


def test_together_they_stay_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < MAX_BYTES


@pytest.mark.parametrize("name", RECORDINGS)
def test_format_is_what_the_suffix_says(name: str) -> None:
    path = SAMPLES / name
    assert path.read_bytes().startswith(MAGIC[path.suffix])
    channels, rate, _ = decoded(path)
    assert (channels, rate) == (RECORDINGS[name], 8000)


@pytest.mark.parametrize("name", [name for name in RECORDINGS if not name.startswith("h_")])
def test_duration_is_the_referenced_one(name: str) -> None:
    path = SAMPLES / name
    assert decoded(path)[2] == pytest.approx(reference(path.stem)["duration"], rel=0.01)


@pytest.mark.parametrize("name", [*CALLS, "call4_stereo"])
def test_segments_are_in_order_and_inside_the_call(name: str) -> None:
    found = reference(name)
    starts = [segment["start"] for segment in found["segments"]]
    assert starts == sorted(starts)
    for segment in found["segments"]:
        assert 0 <= segment["start"] < segment["end"] <= found["duration"]
        assert (segment["speaker"], segment["channel"]) in {("manager", 0), ("client", 1)}
        assert segment["text"].strip()


@pytest.mark.parametrize("name", [*CALLS, "call4_stereo"])
def test_nobody_speaks_over_himself(name: str) -> None:
    for channel in (0, 1):
        turns = [segment for segment in reference(name)["segments"] if segment["channel"] == channel]
        assert all(turn["end"] <= following["start"] for turn, following in pairwise(turns))


@pytest.mark.parametrize("name", CALLS)
def test_reference_follows_the_dialogue(name: str) -> None:
    segments, turns = reference(name)["segments"], dialogue(name)["turns"]
    assert [(segment["speaker"], segment["text"]) for segment in segments] == [(turn["speaker"], turn["text"]) for turn in turns]
    assert any(turn["start"] < before["end"] for before, turn in pairwise(segments)), "no overlap"


@pytest.mark.parametrize(("name", "passed"), [("good_call", 8), ("average_call", 4), ("bad_call", 1)])
def test_calls_differ_in_quality(name: str, passed: int) -> None:
    labels = dialogue(name)["labels"]
    assert list(labels) == STAGES
    assert list(labels.values()).count("pass") == passed
    assert 60 <= reference(name)["duration"] <= 150


def test_silent_call_has_no_words() -> None:
    assert reference("silent_call") == {"duration": 40.0, "segments": []}


def run_script(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=60, env=environment or None, check=False
    )


def test_script_names_the_packages_it_lacks(tmp_path: Path) -> None:
    done = run_script("--out", str(tmp_path), PATH=str(tmp_path))
    assert done.returncode == 1
    assert "text2wave, sox" in done.stderr
    assert "apt-get install festival festvox-ru sox libsox-fmt-mp3" in done.stderr


def test_script_helps_without_the_packages(tmp_path: Path) -> None:
    done = run_script("--help", PATH=str(tmp_path))
    assert done.returncode == 0
    assert "libsox-fmt-mp3" in done.stdout


def test_script_repeats_itself_to_the_byte(tmp_path: Path) -> None:
    made = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        done = run_script("silent_call", "--out", str(folder))
        if "Not installed" in done.stderr:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1]
    assert set(made[0]) == {"silent_call.ogg", "silent_call.ref.json"}
