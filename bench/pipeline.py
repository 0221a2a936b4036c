"""The whole stack against a bare faster-whisper loop over the same recordings, in the same run.

Prints the ratio of wall times for twenty queued calls of two channels (aim 1.10 at most), and the same against a loop whose process keeps
its memory as our worker does. What orchestration itself costs is printed by `bench orchestration`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench._likely import trade
from bench._stack import Running, running
from core import allocator
from core.settings import Settings
from rop.crm import Crm
from tasks.engines.asr import weights
from tasks.engines.asr.whisper import BATCH

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
FILES = ("good_call.ogg", "average_call.mp3", "bad_call.wav", "call4_stereo.ogg")  # one to four minutes
CALLS = 20


def main() -> None:
    files = [FILES[i % len(FILES)] for i in range(CALLS)]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        crm = Crm(SAMPLES)
        with running(home) as stack:
            _round(stack, crm, "warm", files[:1])
            stack_seconds = _round(stack, crm, "call", files)
        crm.close()
        plain, keeping = (_apart(Settings(home=home), files, prepare) for prepare in (None, allocator.keep_memory))
    print(f"{CALLS} queued calls: stack {stack_seconds:.1f} s, bare faster-whisper {plain:.1f} s", end=", ")
    print(f"ratio {stack_seconds / plain:.2f} (aim 1.10); with our allocator {keeping:.1f} s, ratio {stack_seconds / keeping:.2f}")


def _round(stack: Running, crm: Crm, name: str, files: list[str]) -> float:
    """Wall seconds from the first post to the last final state."""
    started = time.monotonic()
    ids = [f"{name}-{number}" for number in range(len(files))]
    for call_id, file in zip(ids, files, strict=True):
        stack.post(call_id, f"{crm.url}/{file}")
    stack.wait(ids)
    return time.monotonic() - started


def _apart(settings: Settings, files: list[str], prepare: Callable[[], object] | None) -> float:
    """`bare` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=prepare) as pool:
        return pool.submit(bare, settings, files).result()


def bare(settings: Settings, files: list[str]) -> float:
    """Wall seconds of the plain library: two threads, both channels, the same decoding options and likely words."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio

    folder = str(weights.resolve(settings))
    options = {"language": "ru", "beam_size": 5, "batch_size": BATCH["cpu"], "word_timestamps": True, "hotwords": ", ".join(trade())}
    model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1, num_workers=2)

    def one(file: str) -> int:
        words = 0
        for channel in decode_audio(str(SAMPLES / file), split_stereo=True):
            pipeline = BatchedInferencePipeline(model)
            segments, _ = pipeline.transcribe(channel, **options)
            words += sum(len(segment.words or ()) for segment in segments)
        return words

    one(files[0])
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, files))
    return time.monotonic() - started
