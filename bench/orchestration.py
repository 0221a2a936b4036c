"""What a call costs beside its recognition, with a hundred calls stored and with five thousand, and whether the worker grows.

A silent call is a look at its file in a jail and one by the voice detector, so what the stack spends beside these is orchestration (aim
0.30 CPU seconds, at most 1.15 times as much with five thousand stored). Memory is the worker's resident set over short calls that are
really recognised.
"""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
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
from tasks.engines.asr import Job, build

SILENT = SAMPLES / "silent_call.ogg"
FIRST = 100
ROUNDS, MEASURED = 5, 30
STORED = 5000
IDLE_SECONDS = 60.0  # as long as the rhythm of the housekeeping
LOOKS = 20
SPOKEN_CALLS = int(os.environ.get("BENCH_CALLS", "500"))
SPEECH = slice(RATE, 5 * RATE)  # four seconds in which both sides speak


def main() -> None:
    allocator.keep_memory()  # as the worker does
    with tempfile.TemporaryDirectory() as name, ExitStack() as stacks:
        folder, recordings = Path(name), Path(name) / "recordings"
        recordings.mkdir()
        (recordings / "silent.ogg").write_bytes(SILENT.read_bytes())
        write(recordings / "spoken.wav", read(SAMPLES / "good_call.ogg", Settings(home=folder))[:, SPEECH])
        crm = Crm(recordings)
        few, many = (stacks.enter_context(running(folder / home)) for home in ("few", "many"))
        _flatness(few, many, f"{crm.url}/silent.ogg")
        _memory(few, f"{crm.url}/spoken.wav")
        crm.close()


def _flatness(few: Running, many: Running, silent: str) -> None:
    """Of two stacks in turns: a shared machine's own speed changes by a third within minutes."""
    for stack in (few, many):
        _through(stack, "first", silent, FIRST)
    runs = _fill(many.home)
    looks = _looks(Settings(home=few.home))
    both = ((few, _idle(few)), (many, _idle(many)))
    rounds = [[_cost(stack, f"round-{number}", silent, idle, looks) for stack, idle in both] for number in range(ROUNDS)]
    low, high = (statistics.median(costs) for costs in zip(*rounds, strict=True))
    print(f"orchestration: {low:.2f} CPU s a call with {FIRST} stored (aim 0.30)", end=", ")
    print(f"{high:.2f} with {STORED} stored and {runs} runs in Prefect, ratio {high / low:.2f} (aim 1.15)", flush=True)


def _fill(home: Path) -> int:
    """As if the stack had seen so many calls; the number of their runs in Prefect."""
    copies = STORED // FIRST - 1
    store_calls(home, copies * FIRST)
    runs = repeat_runs(home / "prefect" / "prefect.db", copies)
    _until_loaded(home)
    return runs


def _idle(stack: Running) -> float:
    """CPU seconds a second that are spent when nothing comes."""
    before = stack.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    spent = (stack.cpu_seconds() - before) / IDLE_SECONDS
    print(f"{stack.home.name}: {spent:.3f} CPU s a second when idle", flush=True)
    return spent


def _cost(stack: Running, name: str, silent: str, idle: float, looks: Callable[[], float]) -> float:
    """CPU seconds of a call beside the idle and its looks at the sound, which are measured just before and just after."""
    looked = looks()
    before, started = stack.cpu_seconds(), time.monotonic()
    _through(stack, name, silent, MEASURED)
    seconds = time.monotonic() - started
    spent = (stack.cpu_seconds() - before - idle * seconds) / MEASURED
    looked = (looked + looks()) / 2
    told = f"{spent:.2f} CPU s a call, {looked:.2f} of it looks at the sound; a million turns of a loop {_loop_cpu():.3f} CPU s"
    print(f"{name}, {stack.home.name}: {MEASURED / seconds:.2f} calls/s, {told}", flush=True)
    return spent - looked


def _looks(settings: Settings) -> Callable[[], float]:
    """What measures the CPU seconds of the jail that inspects a silent call, and of the search for voice in it."""
    transcriber = build(settings)
    transcriber.load()

    def detect() -> None:
        transcriber.transcribe(Job(SILENT, "ogg"), lambda _fraction: None)

    detect()
    return lambda: _mean_cpu(detect, resource.RUSAGE_SELF) + _mean_cpu(lambda: probe(SILENT, settings), resource.RUSAGE_CHILDREN)


def _mean_cpu(work: Callable[[], object], who: int) -> float:
    """Of twenty, two at a time, as the worker does: what two threads cost each other belongs to the work."""
    before = resource.getrusage(who)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: work(), range(LOOKS)))
    after = resource.getrusage(who)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / LOOKS


def _loop_cpu() -> float:
    """How fast the machine is now."""
    before = time.process_time()
    for number in range(1_000_000):
        number * number % 7
    return time.process_time() - before


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
