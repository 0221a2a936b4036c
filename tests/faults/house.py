"""The product as processes that a test starts, arms and kills one by one, with a CRM and a recogniser on loopback around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import func, select, update

from core import clock, failpoints
from core.errors import RopError
from core.http import Guarded
from core.secrets import server_secret
from core.settings import Settings
from db import calls, endpoints, keys, migrate
from db.engine import Database
from db.models import Call, Delivery, LoadOutbox
from rop import deploy, first_start, ports
from rop.stack import Addresses, answers, api_module, environment
from tasks.load import load_pending
from tasks.runtime import Runtime
from tasks.webhooks import deliver_due
from tests.faults.invariants import check_invariants, report
from tests.faults.receiver import Receiver
from tests.faults.speech import hear, recording
from tests.peers.asr_peer import AsrPeer
from tests.peers.file_peer import FilePeer, serve
from tests.peers.waiting import eventually
from tests.peers.webhook_peer import Reply

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0
RECONCILE_SECONDS = 300.0  # it starts hundreds of runs after a long outage, on a busy machine
KILLED = -signal.SIGKILL
# What is seconds in real use is moments here, so that recovery is seen and not waited for.
QUICK = {
    "allowed_networks": "127.0.0.1/32",
    "rate_limit": "100000",
    "asr_engine": "openai",
    "publish_share": "1000000000",
    "lease_seconds": "6",
    "load_lease_seconds": "2",
    "webhook_lease_seconds": "3",
    "webhook_seconds": "2",
    "worker_grace_seconds": "5",
    "wait_out_seconds": "0",
}


@dataclass
class House:
    """Everything of one home folder: processes by name, the database, and the peers. `environment` is that of every process."""

    settings: Settings
    database: Database
    key: str
    key_id: str
    crm: FilePeer
    asr: AsrPeer
    receiver: Receiver
    addresses: Addresses
    environment: dict[str, str]
    sound: bytes
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)

    @cached_property
    def runtime(self) -> Runtime:
        """The tools of a worker, for steps that the test itself takes."""
        return Runtime(self.settings)

    def start(self, name: str, armed: str = "", **settings: str) -> subprocess.Popen[bytes]:
        """Start `prefect`, `api`, a worker of calls (`worker…`) or of housekeeping (`house`), armed as `ROP_FAILPOINTS` says."""
        own = ({failpoints.VARIABLE: armed} if armed else {}) | _variables(settings)
        with (self.settings.root / "logs" / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self._command(name),
                env=os.environ | self.environment | own,
                cwd=ROOT,
                stdin=subprocess.PIPE if name == "servant" else subprocess.DEVNULL,
                stdout=subprocess.PIPE if name == "servant" else log,
                stderr=log,
                start_new_session=True,
            )
        return self.processes[name]

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        self.processes[name].kill()
        self.processes.pop(name).wait()

    def runs(self, name: str) -> bool:
        """Whether the process is there."""
        return name in self.processes and self.processes[name].poll() is None

    def stop(self, name: str, seconds: float = 60.0) -> int:
        """SIGTERM; the exit code."""
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(seconds)

    def died(self, name: str, seconds: float = 90.0) -> int:
        """The exit code of a process that ends by itself."""
        return self.processes.pop(name).wait(seconds)

    def act(self, work: str, armed: str = "") -> int:
        """Run `load`, `deliver`, `retention` or `reconcile` once, in a process of its own; its exit code."""
        if work == "reconcile":
            self.start("actor", armed)
            return self.died("actor", RECONCILE_SECONDS)
        if not self.runs("servant"):
            self.start("servant")
        servant = self.processes["servant"]
        assert servant.stdin is not None
        assert servant.stdout is not None
        servant.stdin.write(f"{work} {armed}\n".encode())
        servant.stdin.flush()
        return int(servant.stdout.readline())

    def ready(self, name: str) -> None:
        """Wait until the server or the API answers."""
        url = {"prefect": f"{self.addresses.prefect_url}/api/health", "api": f"{self.addresses.api_url}/healthz"}[name]
        eventually(lambda: answers(url), START_SECONDS, self.log_of(name))

    def log_of(self, name: str) -> Callable[[], str]:
        return lambda: (self.settings.root / "logs" / f"{name}.log").read_text(errors="replace")[-4000:]

    def upload(self, call_id: str, audio: str = "/call.wav", **fields: str) -> httpx.Response:
        """Post a call as the CRM does; `audio` is a path of the CRM's file server or a whole address."""
        url = audio if "://" in audio else f"{self.crm.url(audio)}?token=sesame-{call_id}"
        form = {"manager_id": "mgr_001", "call_id": call_id, "deal_id": "deal_1", "deal_stage_id": "new", "audio_url": url} | fields
        address = f"{self.addresses.api_url}/api/v1/calls/audio-upload"
        answer = httpx.post(address, params={"apiKey": self.key}, data=form, trust_env=False, timeout=60)
        if answer.status_code == 200:
            self.accepted.append(call_id)
        return answer

    def ask(self, method: str, path: str) -> httpx.Response:
        """One request without a body to the API, with the key of the CRM."""
        address = f"{self.addresses.api_url}/api/v1{path}"
        return httpx.request(method, address, params={"apiKey": self.key}, trust_env=False, timeout=60)

    def call(self, call_id: str) -> Call:
        with self.database.read() as session:
            return calls.get(session, call_id)

    def wait(self, *call_ids: str, seconds: float = 90.0) -> list[Call]:
        """The calls when all of them have ended."""

        def ended() -> list[Call] | None:
            with self.database.read() as session:
                found = [calls.get(session, call_id) for call_id in call_ids]
            return found if all(call.status in calls.TERMINAL for call in found) else None

        return eventually(ended, seconds, lambda: str([(i, self.call(i).status, self.call(i).runs) for i in call_ids]))

    def names(self, call_id: str) -> Counter[str]:
        """How often each step is in the timeline of the call."""
        with self.database.read() as session:
            return Counter(event.name for event in calls.timeline(session, call_id))

    def prefect(self, path: str, body: dict[str, Any]) -> Any:
        """One POST to the Prefect API."""
        answer = httpx.post(f"{self.addresses.prefect_url}/api{path}", json=body, trust_env=False, timeout=30)
        return answer.raise_for_status().json()

    def runs_of(self, call_id: str) -> list[dict[str, Any]]:
        """The flow runs of a call."""
        return list(self.prefect("/flow_runs/filter", {"flow_runs": {"tags": {"all_": [f"call:{call_id}"]}}}))

    def heal(self) -> None:
        """The server and the API run, and the peers behave."""
        self.receiver.behave = lambda _: Reply()
        self.crm.routes["/call.wav"] = serve(self.sound)
        for name in ("prefect", "api"):
            if not self.runs(name):
                self.start(name)
        for name in ("prefect", "api"):
            self.ready(name)

    def tend(self) -> list[str]:
        """Start again what has ended by itself, as the supervisor does; its names."""
        ended = [name for name in self.processes if not self.runs(name)]
        for name in ended:
            self.start(name)
        return ended

    def settle(self, seconds: float = 180.0) -> None:
        """Wait until every accepted call has ended, every webhook was tried to its end and the warehouse shows it all.

        The hours between attempts pass at once; what takes minutes by the schedules is run at once. Reconciliation is left to the
        housekeeping where that runs.
        """
        deadline = time.monotonic() + seconds
        while not self._rests():
            assert time.monotonic() < deadline, self._unrest()
            if self._open_calls() and not self.runs("house"):
                self.act("reconcile")
            self.pass_time()
            deliver_due(self.database, self.settings, Guarded(self.settings))
            with suppress(RopError):  # the house's own loader is at it
                load_pending(self.database, self.settings)
            time.sleep(0.2)

    def pass_time(self) -> None:
        """As if every waiting webhook's time had come."""
        at = clock.now()
        with self.database.begin() as session:
            pending = (Delivery.status == "pending", Delivery.next_attempt_at > at)
            session.execute(update(Delivery).where(*pending).values(next_attempt_at=at))

    def check(self) -> None:
        """Assert all six invariants."""
        found = check_invariants(self.settings, self.receiver.log, self.accepted)
        assert not any(found.values()), report(found)

    def _open_calls(self) -> int:
        with self.database.read() as session:
            return session.scalar(select(func.count()).select_from(Call).where(Call.status.not_in(calls.TERMINAL))) or 0

    def _rests(self) -> bool:
        with self.database.read() as session:
            pending = session.scalar(select(func.count()).select_from(Delivery).where(Delivery.status == "pending"))
            unloaded = session.scalar(select(func.count()).select_from(LoadOutbox).where(LoadOutbox.loaded_at.is_(None)))
        return not (self._open_calls() or pending or unloaded)

    def _unrest(self) -> str:
        return report(check_invariants(self.settings, self.receiver.log, self.accepted))

    def close(self) -> None:
        """End every process, workers before the server."""
        for name in sorted(self.processes, reverse=True):
            process = self.processes[name]
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.database.dispose()

    def _command(self, name: str) -> list[str]:
        python = [sys.executable, "-m"]
        if name == "prefect":
            port = self.addresses.prefect_url.rpartition(":")[2]
            return [*python, "rop.prefect_server", "start", "--host", ports.LOOPBACK, "--port", port]
        if name == "api":
            port = self.addresses.api_url.rpartition(":")[2]
            return [*python, *api_module(ports.LOOPBACK, int(port))]
        if name in {"actor", "servant"}:
            return [*python, "tests.faults.actor", "serve" if name == "servant" else "reconcile"]
        pool = self.settings.house_pool if name == "house" else self.settings.work_pool
        return [*python, "prefect", "worker", "start", "--pool", pool, "--type", "resident"]


@contextmanager
def empty(home: Path, **settings: str) -> Iterator[House]:
    """A migrated, furnished home with its peers and no process yet."""
    with ExitStack() as stack:
        sound = recording()
        crm = stack.enter_context(FilePeer({"/call.wav": serve(sound)}))
        asr = stack.enter_context(AsrPeer([hear]))
        receiver = stack.enter_context(Receiver(home / "receiver.jsonl"))
        addresses = Addresses(f"http://{ports.LOOPBACK}:{ports.choose(0, 'api')}", f"http://{ports.LOOPBACK}:{ports.choose(0, 'prefect')}")
        values = QUICK | {"asr_url": asr.url, "prefect_api_url": f"{addresses.prefect_url}/api"} | settings
        made = Settings(home=home, **values)  # type: ignore[arg-type]
        variables = _variables(values) | environment(made, addresses)
        (made.root / "logs").mkdir(parents=True)
        database = Database(made.db_url)
        house = House(made, database, *_furnish(made, database, receiver), crm, asr, receiver, addresses, variables, sound)
        stack.callback(house.close)
        yield house


@contextmanager
def running(home: Path, *names: str, **settings: str) -> Iterator[House]:
    """A home with its Prefect server, everything deployed, and the named processes."""
    with empty(home, **settings) as house:
        house.start("prefect")
        house.ready("prefect")
        deploy.apply(house.settings, house.environment)
        for name in names:
            house.start(name)
        if "api" in names:
            house.ready("api")
        yield house


def _variables(settings: Mapping[str, str]) -> dict[str, str]:
    return {f"ROP_{name.upper()}": value for name, value in settings.items()}


def _furnish(settings: Settings, database: Database, receiver: Receiver) -> tuple[str, str]:
    """The built-in definitions, a key, and an address for each kind of webhook; the key and its id."""
    migrate.upgrade(database)
    first_start.apply_builtin(database)
    at, server = clock.now(), server_secret(settings)
    with database.begin() as session:
        key = keys.create(session, server, "faults", at)
        for kind, owner in (("checklist", "sales"), ("table", "TBL_1755863365"), ("key", key.key_id)):
            made = endpoints.set_url(session, server, kind, owner, receiver.url(f"/{kind}"), at)  # type: ignore[arg-type]
            receiver.secrets += endpoints.live_secrets(session, server, made.endpoint_id, at)
    return key.plain, key.key_id
