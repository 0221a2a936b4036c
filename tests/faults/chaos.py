"""Seeded chaos: a CRM posts calls while processes are killed, disks are full and everything around them fails; then six invariants hold.

    python -m tests.faults.chaos --seed 7 --calls 200 [--keep HOME]

The seed fixes what is done in which order; how it meets the work under way is the machine's chance, as it is in real life. Disks are
filled where the home may have one of its own: for root, and without --keep.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from pathlib import Path

import httpx
from sqlalchemy import select

from core.settings import MIB
from db.calls import TERMINAL
from db.models import Call, Delivery
from tests.faults import house as houses
from tests.faults.disk import disk, filled, mountable
from tests.faults.house import House
from tests.faults.invariants import Violations, check_invariants, report, zombies
from tests.faults.receiver import Behave, Reset
from tests.faults.speech import hear
from tests.peers.asr_peer import Reply as Heard
from tests.peers.asr_peer import Say, error
from tests.peers.file_peer import breaking, serve, status
from tests.peers.llm_peer import LlmPeer, answer, good
from tests.peers.llm_peer import Reply as Answer
from tests.peers.llm_peer import error as error_of_model
from tests.peers.webhook_peer import Received, Reply

VICTIMS = ("worker", "worker", "worker-2", "house", "api", "prefect")
RECORDINGS = ("/call.wav",) * 8 + ("/flaky.wav", "/nowhere.wav")
REPEATED = 0.15  # share of calls that the CRM posts twice
POST_SECONDS = (0.0, 1.0)  # between two posts
QUIET_SECONDS = (2.0, 10.0)  # between two faults; a worker needs some of them to start
SETTLE_SECONDS = 1200.0
DOWN_SECONDS = (0.0, 4.0)  # a killed process stays away for this long
SHORT_SECONDS = (0.5, 5.0)  # without room on the disk, or with a locked database
HOME_BYTES = 600 * MIB
# Whoever meets an outage waits for moments, so that waits are met by kills; a call that waits for longer has failed for good.
PATIENCE = {"postpone_seconds": "1", "wait_out_seconds": "45", "max_attempts": "50"}


class Chaos:
    """One run: `done` counts what was done to the house, `model` judges its calls; its disk is filled if it is `small`."""

    def __init__(self, house: House, model: LlmPeer, seed: int, count: int, *, small: bool) -> None:
        self.house, self.model, self.count, self.small = house, model, count, small
        self.chance = random.Random(seed)
        self.posts = random.Random(seed + 1)
        self.done: Counter[str] = Counter()
        self._posted = threading.Event()
        sound = house.sound
        house.crm.routes["/flaky.wav"] = breaking(sound, *(len(sound) // 3 for _ in range(count // 2)))

    def run(self) -> None:
        """Post all calls and do harm until the last of them was taken; then mend everything and let it settle."""
        crm = threading.Thread(target=self._post_all, daemon=True)
        crm.start()
        for fault in self._sequence():
            time.sleep(self.chance.uniform(*QUIET_SECONDS))
            self.done.update(f"ended by itself {name}" for name in self.house.tend())
            fault()
            if self._posted.is_set() and (self.done.total() > self.count / 2 or not self._open()):
                break
        crm.join()
        self._mend()
        self.house.settle(SETTLE_SECONDS)

    def _sequence(self) -> Iterator[Callable[[], None]]:
        """A kill in any case, then whatever comes."""
        yield self._kill
        while True:
            yield self.chance.choice(self._faults())

    def _faults(self) -> list[Callable[[], None]]:
        return [
            *[self._kill] * 5,
            self._stop,
            self._spoil_receiver,
            self._spoil_recogniser,
            self._spoil_files,
            self._spoil_model,
            self._cancel,
            self._lock_database,
            *([self._fill_disk] if self.small else []),
        ]

    def _kill(self) -> None:
        name = self.chance.choice(VICTIMS)
        away = self.chance.uniform(*DOWN_SECONDS)
        self.house.kill(name)
        time.sleep(away)
        self.house.start(name)
        self.done[f"killed {name}"] += 1

    def _stop(self) -> None:
        name = self.chance.choice(("worker", "api"))
        if self.house.runs(name):
            self.house.stop(name)
            self.house.start(name)
            self.done[f"restarted {name}"] += 1

    def _spoil_receiver(self) -> None:
        self.house.receiver.behave = self.chance.choice(list(RECEIVERS.values()))
        self.done["receiver changed"] += 1

    def _spoil_recogniser(self) -> None:
        replies: list[Heard | Say] = [hear, error(503, "busy"), error(429, "slow down", retry_after="1")]
        self.house.asr.replies[:] = [self.chance.choice(replies)]
        self.done["recogniser changed"] += 1

    def _spoil_files(self) -> None:
        sound = self.house.sound
        self.house.crm.routes["/call.wav"] = self.chance.choice(
            [serve(sound), serve(sound, ranges=False), status(503), breaking(sound, 70_000)]
        )
        self.done["file server changed"] += 1

    def _spoil_model(self) -> None:
        replies: list[Answer] = [
            good(),
            error_of_model(503),
            error_of_model(429, retry_after="1"),
            answer("не JSON"),
            answer('{"stages": ['),
        ]
        self.model.replies[:] = [self.chance.choice(replies)]
        self.done["model changed"] += 1

    def _lock_database(self) -> None:
        with closing(sqlite3.connect(self.house.settings.root / "rop.sqlite", timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(self.chance.uniform(*SHORT_SECONDS))
            other.execute("ROLLBACK")
        self.done["database locked"] += 1

    def _fill_disk(self) -> None:
        with filled(self.house.settings.root):
            time.sleep(self.chance.uniform(*SHORT_SECONDS))
        self.done["disk filled"] += 1

    def _cancel(self) -> None:
        """As a person does in the UI; there may be nothing to cancel, or nobody to ask."""
        with self.house.database.read() as session:
            running = list(session.scalars(select(Call.flow_run_id).where(Call.status.not_in(TERMINAL), Call.flow_run_id.is_not(None))))
        if running:
            path = f"/flow_runs/{self.chance.choice(sorted(filter(None, running)))}/set_state"
            with suppress(httpx.HTTPError):
                self.house.prefect(path, {"state": {"type": "CANCELLING", "name": "Cancelling"}})
                self.done["cancelled"] += 1

    def _post_all(self) -> None:
        for number in range(self.count):
            call_id, audio = f"chaos {number}", self.posts.choice(RECORDINGS)
            self._post(call_id, audio)
            if self.posts.random() < REPEATED:
                self._post(self.posts.choice(self.house.accepted), audio)
                self.done["posted again"] += 1
            time.sleep(self.posts.uniform(*POST_SECONDS))
        self._posted.set()

    def _post(self, call_id: str, audio: str) -> None:
        """Until an answer says that the call is known: a CRM does not give up because of a restart."""
        while True:
            with suppress(httpx.HTTPError):
                code = self.house.upload(call_id, audio).status_code
                if code == 409 and call_id not in self.house.accepted:
                    self.house.accepted.append(call_id)
                if code in {200, 409}:
                    return
            time.sleep(0.3)

    def _open(self) -> bool:
        with self.house.database.read() as session:
            return session.scalars(select(Call.call_id).where(Call.status.not_in(TERMINAL)).limit(1)).first() is not None

    def _mend(self) -> None:
        self.house.asr.replies[:] = [hear]
        self.model.replies[:] = [good()]
        self.house.heal()
        self.house.crm.routes["/flaky.wav"] = serve(self.house.sound)
        self.house.tend()


def _took_and_dropped(_: Received) -> Reply:
    raise Reset


RECEIVERS: dict[str, Behave] = {
    "well": lambda _: Reply(),
    "took it and said 500": lambda _: Reply(500),
    "took it and dropped the connection": _took_and_dropped,
    "busy": lambda _: Reply(429, {"Retry-After": "1"}),
    "slow": lambda _: Reply(after=3.0),
}


def run(seed: int, count: int, home: Path, *, small: bool = True) -> tuple[House, Counter[str], Violations]:
    """One run in a new home folder, if it may be `small` on a disk of its own: what was done, and what is wrong after it."""
    small = small and mountable()
    with disk(home, HOME_BYTES) if small else nullcontext(), LlmPeer() as model:
        asked = {"analyst_engine": "openai", "llm_url": model.url} | PATIENCE
        with houses.running(home, "api", "worker", "worker-2", "house", **asked) as house:
            house.receiver.log = home.with_suffix(".received")
            chaos = Chaos(house, model, seed, count, small=small)
            chaos.run()
            found = check_invariants(house.settings, house.receiver.log, house.accepted)
            found["UI"] = zombies(house.settings)
            return house, chaos.done + _outcome(house), found


def _outcome(house: House) -> Counter[str]:
    counted: Counter[str] = Counter()
    with house.database.read() as session:
        for call in session.scalars(select(Call)):
            counted[f"calls {call.status}" + (f" ({call.reason_code})" if call.reason_code else "")] += 1
        counted.update(f"webhooks {one}" for one in session.scalars(select(Delivery.status)))
    counted["webhooks received twice or more"] = len(house.receiver.received) - len(house.receiver.distinct)
    return counted


def main() -> int:
    """Print what was done, the seed and the invariants; 1 when one is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="a new folder that stays")
    asked = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rop-chaos-") as folder:
        _, done, found = run(asked.seed, asked.calls, (asked.keep or Path(folder)) / "home", small=asked.keep is None)
    lines = [f"seed {asked.seed}, {asked.calls} calls, {time.monotonic() - begun:.0f} s"]
    lines += [f"{count:6} {name}" for name, count in sorted(done.items())]
    sys.stdout.write("\n".join([*lines, report(found)]) + "\n")
    return int(any(found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
