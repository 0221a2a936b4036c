"""What a call costs beside its recognition, with a hundred calls stored and with five thousand, and whether the worker grows.

A silent call is a look at its file in a jail and one by the voice detector, so what the stack spends beside these is orchestration (aim
0.30 CPU seconds, at most 1.15 times as much with five thousand stored). Memory is the worker's resident set over short calls that are
really recognised.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from sqlalchemy import text

from bench._asr_sounds import RATE, read, write
from bench._history import repeat_runs, store_calls
from bench._stack import Running, running
from bench.pipeline import SAMPLES
from core import allocator
from core.settings import Settings
from db.engine import Database
from rop.crm import Crm
from tasks.audio.probe import probe

FIRST, MEASURED = 100, 100
STORED = 5000
IDLE_SECONDS = 60.0  # as long as the rhythm of the housekeeping
LOOKS = 20
SPOKEN_CALLS = int(os.environ.get("BENCH_CALLS", "500"))
SPEECH = slice(RATE, 5 * RATE)  # four seconds in which both sides speak


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    allocator.keep_memory()  # as the worker does
    with tempfile.TemporaryDirectory() as folder:
        home, recordings = Path(folder) / "home", Path(folder) / "recordings"
        recordings.mkdir()
        (recordings / "silent.ogg").write_bytes((SAMPLES / "silent_call.ogg").read_bytes())
        write(recordings / "spoken.wav", read(SAMPLES / "good_call.ogg", Settings(home=Path(folder)))[:, SPEECH])
        crm = Crm(recordings)
        with running(home) as stack:
            _flatness(stack, home, f"{crm.url}/silent.ogg")
            _memory(stack, f"{crm.url}/spoken.wav")
        crm.close()


def _flatness(stack: Running, home: Path, silent: str) -> None:
    looks = _jail_cpu(Settings(home=home)) + _detector_cpu(Settings(home=home))
    print(f"looking at a silent call: {looks:.2f} CPU s, not counted below", flush=True)
    _through(stack, "first", silent, FIRST)
    few = _cost(stack, "few", silent) - looks
    copies = STORED // (FIRST + MEASURED) - 1
    store_calls(home, copies * (FIRST + MEASURED))
    runs = repeat_runs(home / "prefect" / "prefect.db", copies)
    _until_loaded(home)
    many = _cost(stack, "many", silent) - looks
    print(f"orchestration: {few:.2f} CPU s a call with {FIRST} stored (aim 0.30)", end=", ")
    print(f"{many:.2f} with {STORED} stored and {runs} runs in Prefect, ratio {many / few:.2f} (aim 1.15)", flush=True)


def _cost(stack: Running, name: str, silent: str) -> float:
    """CPU seconds of a call over what the stack spends when nothing comes."""
    before = stack.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    idle = (stack.cpu_seconds() - before) / IDLE_SECONDS
    before, started = stack.cpu_seconds(), time.monotonic()
    _through(stack, name, silent, MEASURED)
    seconds = time.monotonic() - started
    spent = stack.cpu_seconds() - before
    print(f"{name}: {MEASURED / seconds:.2f} calls/s, {spent / MEASURED:.2f} CPU s a call, {idle:.3f} CPU s a second when idle", flush=True)
    return (spent - idle * seconds) / MEASURED


def _detector_cpu(settings: Settings) -> float:
    """CPU seconds of decoding the silent call and looking for voice in it."""
    from tasks.engines.asr import Job, build

    transcriber = build(settings)
    transcriber.load()
    job = Job(SAMPLES / "silent_call.ogg", "ogg")
    transcriber.transcribe(job, lambda _fraction: None)
    return _mean_cpu(lambda: transcriber.transcribe(job, lambda _fraction: None), resource.RUSAGE_SELF)


def _jail_cpu(settings: Settings) -> float:
    """CPU seconds of the child process that inspects the silent call."""
    return _mean_cpu(lambda: probe(SAMPLES / "silent_call.ogg", settings), resource.RUSAGE_CHILDREN)


def _mean_cpu(work: Callable[[], object], who: int) -> float:
    """Of twenty, two at a time, as the worker does: what two threads cost each other belongs to the work."""
    before = resource.getrusage(who)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: work(), range(LOOKS)))
    after = resource.getrusage(who)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / LOOKS


def _until_loaded(home: Path) -> None:
    database = Database(Settings(home=home).db_url)
    while True:
        with database.read() as session:
            if not session.scalar(text("SELECT count(*) FROM load_outbox WHERE loaded_at IS NULL")):
                break
        time.sleep(1)
    database.dispose()


def _memory(stack: Running, spoken: str) -> None:
    worker = psutil.Process(stack.pids["worker"])
    tenth = max(SPOKEN_CALLS // 10, 1)
    _through(stack, "spoken-first", spoken, tenth)
    first = worker.memory_info().rss
    _through(stack, "spoken", spoken, SPOKEN_CALLS - tenth)
    last = worker.memory_info().rss
    told = f"{first / 2**20:.0f} MiB after {tenth} calls, {last / 2**20:.0f} MiB after {SPOKEN_CALLS}"
    print(f"worker: {told}, ratio {last / first:.2f} (aim 1.10)")


def _through(stack: Running, name: str, url: str, count: int) -> None:
    call_ids = [f"{name}-{number}" for number in range(count)]
    for call_id in call_ids:
        stack.post(call_id, url)
    stack.wait(call_ids)


if __name__ == "__main__":
    main()
