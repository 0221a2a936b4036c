"""The embedded engine: time and memory a call of 20 (aim 400 ms) and of 300 utterances, and that the time grows no faster than the words.

Each figure is of fresh words, so that nothing is remembered from the run before; with and without sentence vectors.
"""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

from bench._memory import peak_mib
from checklists.definitions import Checklist, Table
from checklists.loader import FIRST_START, builtin
from checklists.transcript import Transcript, Utterance
from core.settings import Settings
from tasks.engines.analyst import Context
from tasks.engines.analyst.rules import RulesAnalyst
from tests.peers.talks import SALE

AIM_SECONDS = 0.4  # for 20 utterances
SHORT, LONG, RUNS = 20, 300, 7
CONTEXT = Context(at=datetime(2025, 8, 18, 12, tzinfo=UTC).astimezone(ZoneInfo("Europe/Moscow")))
FRESH = itertools.count()


def main() -> None:
    known = {d.id: d for d in builtin()}
    checklist, table = (known[name] for name in FIRST_START)
    assert isinstance(checklist, Checklist)
    assert isinstance(table, Table)
    for semantic in (False, True):
        _engine(checklist, table, semantic=semantic)


def _engine(checklist: Checklist, table: Table, *, semantic: bool) -> None:
    before = peak_mib()
    analyst = RulesAnalyst(Settings(), encoder=semantic)
    analyst.check(talk(SHORT), checklist, CONTEXT)
    print(f"{'with sentence vectors' if semantic else 'words alone'}: engine and first call {peak_mib() - before:.0f} MiB more")
    short, long = (_milliseconds(partial(_check, analyst, checklist, count)) for count in (SHORT, LONG))
    print(f"  check   {SHORT:4} utterances {short:7.0f} ms = {short / AIM_SECONDS / 1000:.2f} of the aim")
    print(f"  check   {LONG:4} utterances {long:7.0f} ms = {long / short / (LONG / SHORT):.2f} of linear growth")
    print(f"  extract {SHORT:4} utterances {_milliseconds(partial(_extract, analyst, table)):7.0f} ms; peak {peak_mib():.0f} MiB")
    if semantic:
        _rubric(analyst, checklist)


def _check(analyst: RulesAnalyst, checklist: Checklist, count: int) -> object:
    return analyst.check(talk(count), checklist, CONTEXT)


def _extract(analyst: RulesAnalyst, table: Table) -> object:
    return analyst.extract(talk(SHORT), table, CONTEXT)


def _rubric(analyst: RulesAnalyst, checklist: Checklist) -> None:
    """How many vectors a checklist of open questions costs the first time and the second."""
    content = checklist.content
    for criterion in (c for s in content["stages"] for c in s["criteria"]):
        criterion["rule"] = None
    asked = Checklist.model_validate(content)
    counts = []
    for _ in range(2):
        call, before = talk(SHORT), analyst.vectors_computed
        analyst.check(call, checklist, CONTEXT)
        turns = analyst.vectors_computed
        analyst.check(call, asked, CONTEXT)
        counts.append((turns - before, analyst.vectors_computed - turns))
    (_, first), (_, second) = counts
    print(f"  rubric: {first} vectors for the first call, {second} for the next one")


def talk(count: int) -> Transcript:
    """A sale of `count` utterances whose words never repeat between calls."""
    rng = random.Random(next(FRESH))
    rows = []
    for index in range(count):
        line = SALE[index % len(SALE)]
        words = f"{line[3:]} {rng.choice(('номер', 'заявка', 'вопрос'))} {rng.randrange(10**6)}"
        rows.append(
            Utterance(id=index, start=index * 6, end=index * 6 + 5, speaker="manager" if line[0] == "М" else "customer", text=words)
        )
    return Transcript(utterances=tuple(rows), duration=count * 6)


def _milliseconds(work: Callable[[], object]) -> float:
    """Median processor time of several runs: the engine has one thread, and the machine may be busy."""
    times = []
    for _ in range(RUNS):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return statistics.median(times) * 1000
