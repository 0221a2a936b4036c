"""Transcription against its aims: cost, words, speakers, leaks, memory, invention; and plain faster-whisper in the same run.

`python -m bench.asr` takes about five minutes of one core; `--long` adds forty-five minutes of stereo, `--rivals` other engines
with the same weights, installed into a temporary environment.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import _asr_rivals, _asr_sounds
from bench._asr_score import errors, score
from bench._likely import trade
from bench._memory import peak_mib
from checklists.transcript import Transcript
from core import allocator
from core.settings import load
from tasks.engines.asr import Job
from tasks.engines.asr.whisper import WhisperTranscriber

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
CALL = SAMPLES / "call4_stereo.ogg"
READER = SAMPLES / "real_nsh_88s.ogg"
RIVAL_SAMPLES = (READER, SAMPLES / "good_call.ogg", SAMPLES / "average_call.mp3")  # eight minutes: the slowest rival needs five
NO_SPEECH_SECONDS = 600.0
LONG_SECONDS = (900.0, 2700.0)
PARALLEL_COPIES = 4
# What the product knows before it listens: the names of its people and products, and the vocabulary of the built-in checklist.
LIKELY = {
    "good_call.ogg": ("Сфера", "Андреев", "Павел"),
    "average_call.mp3": ("Комфорт", "Андрей"),
    "bad_call.wav": (),
    CALL.name: ("Вектор Софт", "Смирнова", "Анна"),
}
TRADE = trade()


@dataclass(frozen=True)
class Row:
    figure: str
    value: str
    aim: str
    met: bool | None = None

    def __str__(self) -> str:
        mark = {True: "ok", False: "MISSED", None: ""}[self.met]
        return f"{self.figure:58} {self.value:>22}   {self.aim:28} {mark}"


@dataclass(frozen=True)
class Heard:
    transcript: Transcript
    cpu_share: float


class Ears:
    """One loaded engine that tells what each transcription cost."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.settings = load(home, **settings)
        self.engine = WhisperTranscriber(self.settings)
        self.engine.load()

    def hear(self, path: Path, **job: Any) -> Heard:
        begun = time.process_time()
        result = self.engine.transcribe(Job(path, path.suffix[1:], **job), lambda fraction: None)  # type: ignore[arg-type]
        return Heard(result.transcript, (time.process_time() - begun) / result.transcript.duration)


def main(arguments: Sequence[str] = ()) -> None:
    allocator.keep_memory()  # as the worker does
    with TemporaryDirectory() as folder:
        home = Path(folder)
        for row in _rows(home, arguments):
            print(row, flush=True)


def _rows(home: Path, arguments: Sequence[str]) -> Iterator[Row]:
    ears = Ears(home)
    yield from _words(ears)
    yield from _variants(ears, home)
    yield from _hotwords(ears)
    yield _invented(ears, home)
    yield _parallel(home)
    if "--long" in arguments:
        yield from _memory(home)
    if "--rivals" in arguments:
        yield from _rivals(ears, home)


def _reference(path: Path) -> list[dict[str, Any]]:
    segments: list[dict[str, Any]] = json.loads(path.with_suffix(".ref.json").read_text("utf-8"))["segments"]
    return segments


def _words(ears: Ears) -> Iterator[Row]:
    """Words and cost of every sample that has a reference, and of plain faster-whisper on the same channels."""
    ours, plain, shares = [], [], []
    for path in sorted(p for p in SAMPLES.iterdir() if p.with_suffix(".ref.json").exists() and p.suffix != ".json"):
        heard, segments = ears.hear(path, manager_channel="left"), _reference(path)
        if not segments:
            count = len(heard.transcript.text.split())
            yield Row(f"{path.name}: words invented", str(count), "0", count == 0)
            continue
        result = score(heard.transcript, segments)
        shares.append(heard.cpu_share)
        ours += [_errors_of(heard.transcript, segments, channel) for channel in _channels(segments)]
        plain += [_plain(ears, path, segments, channel) for channel in _channels(segments)]
        wers = f"{result.by_speaker:.1f} / {result.merged:.1f}"
        yield Row(f"{path.name}: WER, each party / merged in order, %", wers, "apart by 1 at most", result.merged - result.by_speaker <= 1)
        if path == CALL:
            yield Row(
                f"{path.name}: turns", f"{result.turns} of {result.reference_turns}", "34 of 34", result.turns == result.reference_turns
            )
    share = sum(shares) / len(shares)
    yield Row("CPU seconds per audio second", f"{share:.3f}", "0.08 at most", share <= 0.08)
    mine, theirs = _percent(ours), _percent(plain)
    yield Row("all samples: WER ours / plain faster-whisper, %", f"{mine:.1f} / {theirs:.1f}", "0.5 above at most", mine <= theirs + 0.5)


def _channels(segments: list[dict[str, Any]]) -> list[int]:
    return sorted({segment.get("channel", 0) for segment in segments})


def _percent(counts: list[tuple[int, int]]) -> float:
    return 100 * sum(wrong for wrong, _ in counts) / sum(words for _, words in counts)


def _said(segments: list[dict[str, Any]], channel: int) -> str:
    return " ".join(segment["text"] for segment in segments if segment.get("channel", 0) == channel)


def _errors_of(transcript: Transcript, segments: list[dict[str, Any]], channel: int) -> tuple[int, int]:
    heard = " ".join(u.text for u in transcript.utterances if (u.channel or 0) == channel)
    return errors(heard, _said(segments, channel))


def _plain(ears: Ears, path: Path, segments: list[dict[str, Any]], channel: int) -> tuple[int, int]:
    """What a user would write: `WhisperModel.transcribe` of a channel with the same weights and beam. Wrong words, words."""
    samples = _asr_sounds.read(path, ears.settings)[channel]
    heard, _ = ears.engine._whisper().transcribe(samples, language="ru", beam_size=5)  # noqa: SLF001
    return errors(" ".join(segment.text for segment in heard), _said(segments, channel))


def _variants(ears: Ears, home: Path) -> Iterator[Row]:
    """The long call as telephones deliver it."""
    call, segments = _asr_sounds.read(CALL, ears.settings), _reference(CALL)
    clean = score(ears.hear(CALL, manager_channel="left").transcript, segments)
    leak = score(
        ears.hear(_asr_sounds.write(home / "leak.wav", _asr_sounds.leaking(call, -18)), manager_channel="left").transcript, segments
    )
    yield Row(
        "-18 dB of cross-talk: WER merged, over clean",
        f"{leak.merged:.1f}, {leak.merged - clean.merged:+.1f}",
        "+3 at most",
        leak.merged - clean.merged <= 3,
    )
    for name, mix in (("mono", call.mean(axis=0)), ("dual mono", call.mean(axis=0)[None].repeat(2, axis=0))):
        result = score(ears.hear(_asr_sounds.write(home / "mix.wav", mix)).transcript, segments)
        yield Row(f"{name}: words with the right speaker", f"{100 * result.speakers:.1f} %", "97 % at least", result.speakers >= 0.97)
    swapped = score(ears.hear(_asr_sounds.write(home / "swap.wav", call[::-1])).transcript, segments)
    yield Row("channels swapped, manager guessed: right speaker", f"{100 * swapped.speakers:.1f} %", "")
    noisy = score(
        ears.hear(_asr_sounds.write(home / "noisy.wav", _asr_sounds.noisy(call, 10)), manager_channel="left").transcript, segments
    )
    yield Row("noise 10 dB below speech: WER merged, %", f"{noisy.merged:.1f}", "")


def _hotwords(ears: Ears) -> Iterator[Row]:
    """The calls with the words that the product would expect in them, and without; the names of the longest one, said once each."""
    wrong: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
    found: dict[bool, int] = {}
    for told in wrong:
        for name, own in LIKELY.items():
            path = SAMPLES / name
            heard = ears.hear(path, manager_channel="left", hotwords=(*own, *TRADE) if told else ()).transcript
            wrong[told] += [_errors_of(heard, _reference(path), channel) for channel in _channels(_reference(path))]
            if path == CALL:
                found[told] = sum(word.lower() in heard.text.lower() for word in own)
    yield Row(
        f"{CALL.name}: names found without / with hot-words",
        f"{found[False]} / {found[True]} of {len(LIKELY[CALL.name])}",
        "more",
        found[True] > found[False],
    )
    without, with_them = _percent(wrong[False]), _percent(wrong[True])
    yield Row("calls: WER without / with hot-words, %", f"{without:.1f} / {with_them:.1f}", "not worse", with_them <= without)


def _invented(ears: Ears, home: Path) -> Row:
    """Words in ten minutes of each sound in which nobody speaks, with hot-words that a careless engine would say."""
    found = {}
    for name, make in _asr_sounds.no_speech().items():
        path = _asr_sounds.write(home / "nothing.wav", make(NO_SPEECH_SECONDS))
        transcript = ears.hear(path, hotwords=(*LIKELY[CALL.name], *TRADE)).transcript
        found[name] = len(transcript.text.split())
    told = ", ".join(f"{name} {count}" for name, count in found.items() if count) or "0"
    return Row(f"words invented in 10 minutes of each of {len(found)} sounds", told, "0", not any(found.values()))


def _parallel(home: Path) -> Row:
    """Calls side by side, one thread each, against one call at a time on two threads; needs two idle cores."""
    apart, together = Ears(home, asr_cpu_threads=1, asr_parallel=2), Ears(home, asr_cpu_threads=2, asr_parallel=1)
    begun = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: apart.hear(CALL), range(PARALLEL_COPIES)))
    middle = time.perf_counter()
    for _ in range(PARALLEL_COPIES):
        together.hear(CALL)
    ratio = (time.perf_counter() - middle) / (middle - begun)
    return Row("two calls on a thread each, over one on two threads", f"{ratio:.2f} x", "1.6 x at least", ratio >= 1.6)


def _memory(home: Path) -> Iterator[Row]:
    """Peak memory of a process that transcribes one long stereo call, for two lengths."""
    peaks = []
    for seconds in LONG_SECONDS:
        path = _asr_sounds.write(home / "long.wav", _asr_sounds.repeated(_asr_sounds.read(CALL, load(home)), seconds))
        done = subprocess.run(
            [sys.executable, "-m", "bench.asr", "--one", str(path), str(home)], capture_output=True, text=True, check=True
        )
        peaks.append(float(done.stdout.split()[-1]))
    short, long = peaks
    yield Row("peak memory, 45 minutes of stereo", f"{long:.0f} MiB", "1024 MiB at most", long <= 1024)
    yield Row("... over that of 15 minutes", f"{long / short:.2f} x", "flat: 1.05 x at most", long / short <= 1.05)


def _one(path: Path, home: Path) -> None:
    allocator.keep_memory()
    Ears(home).hear(path)
    print(peak_mib())


def _rivals(ears: Ears, home: Path) -> Iterator[Row]:
    """Every channel by itself, as a mono recording: the same sound for all engines."""
    sounds = [(path, channel) for path in RIVAL_SAMPLES for channel in _channels(_reference(path))]
    mono = [
        _asr_sounds.write(home / f"rival-{number}.wav", _asr_sounds.read(path, ears.settings)[channel])
        for number, (path, channel) in enumerate(sounds)
    ]
    said = [_said(_reference(path), channel) for path, channel in sounds]
    heard = [ears.hear(path) for path in mono]
    wer = _percent([errors(one.transcript.text, text) for one, text in zip(heard, said, strict=True)])
    seconds = sum(one.cpu_share * one.transcript.duration for one in heard)
    for rival, least in _asr_rivals.RIVALS:
        answers = [rival.run(path, ears.settings, home) for path in mono]
        theirs = _percent([errors(one.text, text) for one, text in zip(answers, said, strict=True)])
        ratio = sum(one.cpu_seconds for one in answers) / seconds
        yield Row(f"{rival.name}: its CPU over ours", f"{ratio:.1f} x", f"{least} x at least", ratio >= least)
        yield Row(f"{rival.name}: WER ours / its, %", f"{wer:.1f} / {theirs:.1f}", "0.5 above at most", wer <= theirs + 0.5)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _one(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(sys.argv[1:])
