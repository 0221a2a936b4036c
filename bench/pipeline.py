"""The whole stack against a bare faster-whisper loop over the same recordings, in the same run.

Prints the ratio of wall times for ten queued calls (aim 1.25 at most), and the CPU seconds that orchestration costs a call (aim 0.4
at most), measured as what the stack spends on silent calls, whose transcription is a look by the voice detector and nothing more.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench._stack import Running, running
from core.settings import Settings
from rop.crm import Crm
from tasks.engines.asr import weights

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
FILES = ("good_call.ogg", "average_call.mp3", "bad_call.wav")
CALLS = 10
SILENT_CALLS = 20


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    files = [FILES[i % len(FILES)] for i in range(CALLS)]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        crm = Crm(SAMPLES)
        with running(home) as stack:
            _round(stack, crm, "warm", ["silent_call.ogg"])
            stack_seconds, _ = _round(stack, crm, "call", files)
            _, silent_cpu = _round(stack, crm, "silent", ["silent_call.ogg"] * SILENT_CALLS)
        crm.close()
        bare_seconds = bare(Settings(home=home), files)
        detector = detector_cpu(Settings(home=home))
    print(f"{CALLS} queued calls: stack {stack_seconds:.1f} s, bare faster-whisper {bare_seconds:.1f} s", end=", ")
    print(f"ratio {stack_seconds / bare_seconds:.2f} (aim 1.25)")
    print(f"orchestration: {silent_cpu / SILENT_CALLS - detector:.2f} CPU s a call (aim 0.4), idle housekeeping included")


def _round(stack: Running, crm: Crm, name: str, files: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds from the first post to the last final state."""
    cpu, started = stack.cpu_seconds(), time.monotonic()
    ids = [f"{name}-{number}" for number in range(len(files))]
    for call_id, file in zip(ids, files, strict=True):
        stack.post(call_id, f"{crm.url}/{file}")
    stack.wait(ids)
    return time.monotonic() - started, stack.cpu_seconds() - cpu


def bare(settings: Settings, files: list[str]) -> float:
    """Wall seconds of the plain library: two threads, both channels, the same decoding options."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio

    folder = str(weights.resolve(settings))
    model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1, num_workers=2)

    def one(file: str) -> int:
        words = 0
        for channel in decode_audio(str(SAMPLES / file), split_stereo=True):
            pipeline = BatchedInferencePipeline(model)
            segments, _ = pipeline.transcribe(channel, language="ru", beam_size=5, batch_size=8, word_timestamps=True)
            words += sum(len(segment.words or ()) for segment in segments)
        return words

    one(files[0])
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, files))
    return time.monotonic() - started


def detector_cpu(settings: Settings) -> float:
    """CPU seconds of decoding the silent call and looking for voice in it."""
    from tasks.engines.asr import Job, build

    transcriber = build(settings)
    transcriber.load()
    job = Job(SAMPLES / "silent_call.ogg", "ogg")
    transcriber.transcribe(job, lambda _fraction: None)
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(5):
        transcriber.transcribe(job, lambda _fraction: None)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 5
