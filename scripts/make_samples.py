"""Makes the sample calls of samples/ from the texts in samples/dialogues: `python scripts/make_samples.py --help`."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import wave
import zlib
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import yaml

Samples: TypeAlias = npt.NDArray[np.float64]
Mapping: TypeAlias = dict[str, Any]

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
PACKAGES = "festival festvox-ru sox libsox-fmt-mp3"
VOICE = "msu_ru_nsh_clunits"
RATE = 8000
SPEAKERS = ("manager", "client")  # the index is the channel: left, right
SPEECH_LEVEL = 0.1  # RMS of every turn; full scale is 1
SNR_DB = 28
PAUSE_SECONDS = 0.5
TAIL_SECONDS = 1.5
TELEPHONE_BAND = ("sinc", "300-3400")
# Vorbis takes a quality, mp3 kbit/s and a search quality; a telephone line has nothing more to keep.
ENCODERS = {".ogg": ("-C", "2"), ".mp3": ("-C", "32.2"), ".wav": ("-e", "mu-law")}


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Speaks the dialogues with a free voice and writes the recordings with their reference texts.",
        epilog=f"Needs the Debian packages {PACKAGES}. The same texts give the same bytes, so a repeat changes nothing.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="dialogues to make, such as good_call (default: all)")
    parser.add_argument("--out", type=Path, default=SAMPLES, help="folder for the recordings (default: samples/)")
    arguments = parser.parse_args()
    if missing := missing_tools():
        sys.exit(f"Not installed: {', '.join(missing)}. On Debian: apt-get install {PACKAGES}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for path in dialogues(arguments.names):
        make(yaml.safe_load(path.read_text("utf-8")), arguments.out)


def dialogues(names: list[str]) -> list[Path]:
    """The dialogue files of these names, or all of them. Leaves with a sentence when there is no such dialogue."""
    known = {path.stem: path for path in sorted((SAMPLES / "dialogues").glob("*.yaml"))}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"No dialogue {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in names or known]


def missing_tools() -> list[str]:
    """The programs, the voice and the sox formats that this machine lacks."""
    missing = [program for program in ("text2wave", "sox") if not shutil.which(program)]
    if "text2wave" not in missing and VOICE not in _output("festival", "-b", "(print (voice.list))"):
        missing.append(f"festival voice {VOICE}")
    if "sox" not in missing:
        formats = _output("sox", "--help").split()
        missing += [f"sox format {format}" for format in ("mp3", "vorbis") if format not in formats]
    return missing


def make(dialogue: Mapping, out: Path) -> None:
    """Writes the recording and its `.ref.json`."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        turns = [spoken(turn, dialogue["voices"][turn["speaker"]], scratch) for turn in dialogue["turns"]]
        segments = timed(dialogue["turns"], turns)
        call = mixed(segments, turns, dialogue.get("seconds"))
        call += line_noise(dialogue["file"], len(call))
        encode(call, out / dialogue["file"], scratch)
    reference = {"duration": round(len(call) / RATE, 4), "segments": segments}
    path = out / f"{Path(dialogue['file']).stem}.ref.json"
    path.write_text(json.dumps(reference, ensure_ascii=False, indent=1) + "\n", "utf-8")
    print(f"{dialogue['file']}: {reference['duration']:.1f} s, {len(segments)} turns, {(out / dialogue['file']).stat().st_size} bytes")


def spoken(turn: Mapping, voice: Mapping, scratch: Path) -> Samples:
    """One turn at the telephone's rate and the common level, without silence around it. `pitch` is in cents."""
    if re.search(r"[0-9A-Za-z]", turn["text"]):
        sys.exit(f"The voice reads only Russian words, write numbers as words: {turn['text']}")
    text, raw, line = scratch / "turn.txt", scratch / "raw.wav", scratch / "line.wav"
    text.write_text(turn["text"], "utf-8")
    _run("text2wave", "-eval", f"(voice_{VOICE})", str(text), "-o", str(raw))
    character = ("pitch", str(voice["pitch"]), "tempo", "-s", str(voice["tempo"]))
    trim = ("silence", "1", "0.02", "0.5%", "reverse") * 2
    _run("sox", "-R", str(raw), "-r", str(RATE), str(line), *character, *trim)
    samples = _read(line)
    level = float(np.sqrt(np.mean(samples**2)))
    return samples * (SPEECH_LEVEL / level)


def timed(turns: list[Mapping], audio: list[Samples]) -> list[Mapping]:
    """The reference segments; a turn starts `pause` seconds after the one before has ended, a negative pause overlaps it."""
    segments: list[Mapping] = []
    end = 0.0
    for turn, samples in zip(turns, audio, strict=True):
        start = end + turn.get("pause", PAUSE_SECONDS)
        end = start + len(samples) / RATE
        channel = SPEAKERS.index(turn["speaker"])
        segments.append(
            {"speaker": turn["speaker"], "channel": channel, "start": round(start, 3), "end": round(end, 3), "text": turn["text"]}
        )
    return segments


def mixed(segments: list[Mapping], audio: list[Samples], seconds: float | None) -> Samples:
    """Frames × 2: each turn on its speaker's channel; as long as asked for, else until shortly after the last word."""
    length = seconds or max(segment["end"] for segment in segments) + TAIL_SECONDS
    call = np.zeros((round(length * RATE), 2))
    for segment, samples in zip(segments, audio, strict=True):
        start = round(segment["start"] * RATE)
        call[start : start + len(samples), segment["channel"]] += samples
    return call


def line_noise(name: str, frames: int) -> Samples:
    """White noise, other on each channel and in each recording, always the same for one name."""
    level = SPEECH_LEVEL * 10 ** (-SNR_DB / 20)
    return np.random.default_rng(zlib.crc32(name.encode())).normal(0, level, (frames, 2))


def encode(call: Samples, path: Path, scratch: Path) -> None:
    """Through the telephone line (its band, then mu-law) into the format of the file name."""
    clean, line = scratch / "clean.wav", scratch / "call.wav"
    _write(clean, call)
    _run("sox", "-R", str(clean), "-e", "mu-law", str(line), *TELEPHONE_BAND)
    _run("sox", "-R", str(line), *ENCODERS[path.suffix], str(path))


def _read(path: Path) -> Samples:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def _write(path: Path, call: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((call.shape[1], 2, RATE, len(call), "NONE", ""))
        file.writeframes((np.clip(call, -1, 1) * 32767).astype("<i2").tobytes())


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr.strip()}")


if __name__ == "__main__":
    main()
