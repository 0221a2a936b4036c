"""Both ways to run the product, with a recogniser that answers at once: `rop up` on SQLite, and the fleet on PostgreSQL and Redis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench._asr_sounds import RATE, read, write
from bench._stack import cpu_of
from core.settings import Settings, load
from rop import stack
from rop.crm import Crm
from tests.peers.asr_peer import AsrPeer, Reply, Say, Upload, words_every

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "good_call.ogg"
SPEECH = slice(RATE, 5 * RATE)  # four seconds in which both sides speak
START_SECONDS = 300.0
OPEN = {"ROP_ALLOWED_NETWORKS": "127.0.0.1/32", "ROP_RATE_LIMIT": "1000000", "ROP_ASR_ENGINE": "openai", "ROP_LEASE_SECONDS": "20"}
KINDS = {
    "SQLite": ["rop", "up", "--api-port", "0", "--prefect-port", "0"],
    "PostgreSQL and Redis": ["deploy.scale_out", "--workers", "1"],
}


@dataclass(frozen=True)
class Site:
    """A running product; `environment` is what one more process of it is told, `audio_url` a recording that is short."""

    home: Path
    environment: dict[str, str]
    audio_url: str
    apis: Sequence[httpx.Client]

    @property
    def api(self) -> httpx.Client:
        """The first one, if there are more."""
        return self.apis[0]

    @property
    def stack(self) -> dict[str, Any]:
        """Addresses and process ids as they are now."""
        found: dict[str, Any] = json.loads((self.home / "stack.json").read_text())
        return found

    def post(self, call_id: str, number: int = 0) -> bool:
        """Post one call to the API whose turn it is with this number; whether it was accepted."""
        form = {"manager_id": "m", "call_id": call_id, "deal_id": "d", "deal_stage_id": "s", "audio_url": self.audio_url}
        try:
            return self.apis[number % len(self.apis)].post("/calls/audio-upload", data=form).is_success
        except httpx.HTTPError:
            return False

    def status(self, call_id: str) -> str:
        """The call's status, empty while nobody answers."""
        try:
            return str(self.api.get(f"/calls/{call_id}").json().get("status", ""))
        except (httpx.HTTPError, ValueError):
            return ""

    def wait(self, call_ids: list[str]) -> None:
        """Until every call is done; raises when one failed."""
        left = list(call_ids)
        while left:
            found = self.status(left[0])
            if found in {"failed", "no_speech"}:
                raise RuntimeError(f"{left[0]}: {found}")
            if found == "done":
                left.pop(0)
            else:
                time.sleep(0.1)

    @contextmanager
    def worker(self, name: str, number: int = 0) -> Iterator[int]:
        """One more worker for calls, online, at the Prefect server whose turn it is with this number; its process id."""
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "calls", "--type", "resident", "--name", name]
        with (self.home / f"{name}.log").open("wb") as log:
            environment = self.environment | self._server(number)
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            self._online(name)
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)

    def _server(self, number: int) -> dict[str, str]:
        servers = self.stack.get("prefect_urls") or [self.stack["prefect_url"]]
        url = f"{servers[number % len(servers)]}/api"
        return {"PREFECT_API_URL": url, "ROP_PREFECT_API_URL": url}

    def _online(self, name: str) -> None:
        wanted = {"workers": {"status": {"any_": ["ONLINE"]}}}
        deadline = time.monotonic() + START_SECONDS
        url = f"{self.stack['prefect_url']}/api/work_pools/calls/workers/filter"
        while name not in {one["name"] for one in httpx.post(url, json=wanted, trust_env=False, timeout=30).json()}:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start")
            time.sleep(0.2)


@contextmanager
def site(kind: str, home: Path, hear: Reply | None = None, **settings: str) -> Iterator[Site]:
    """The product of that kind with one worker for calls, on free ports."""
    home.mkdir(parents=True)
    (recordings := home.with_name(f"{home.name}-recordings")).mkdir()
    write(recordings / "call.wav", read(SAMPLE, Settings(home=home))[:, SPEECH])
    crm = Crm(recordings)
    with AsrPeer([hear or words_every(0.5)]) as peer, (home / "up.log").open("wb") as log:
        told = os.environ | OPEN | {"ROP_ASR_URL": peer.url} | settings
        command = [sys.executable, "-m", *KINDS[kind], "--home", str(home)]
        process = subprocess.Popen(command, env=told, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield from _opened(home, process, told, f"{crm.url}/call.wav")
        finally:
            process.terminate()
            process.wait(120)
            crm.close()


def _opened(home: Path, process: subprocess.Popen[bytes], told: dict[str, str], audio_url: str) -> Iterator[Site]:
    deadline = time.monotonic() + START_SECONDS
    while not (home / "stack.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((home / "up.log").read_text())
        time.sleep(0.2)
    found = json.loads((home / "stack.json").read_text())
    environment = told | _told(home, found)
    command = [sys.executable, "-m", "rop", "key", "create", "--label", "bench", "--plain"]
    key = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    with ExitStack() as clients:
        urls = found.get("api_urls") or [found["api_url"]]
        apis = [httpx.Client(base_url=f"{url}/api/v1", params={"apiKey": key}, trust_env=False, timeout=30) for url in urls]
        yield Site(home, environment, audio_url, [clients.enter_context(api) for api in apis])


def _told(home: Path, found: dict[str, Any]) -> dict[str, str]:
    if (file := home / "fleet.env").exists():
        return dict(line.split("=", 1) for line in file.read_text().splitlines())
    return stack.environment(load(home), stack.Addresses(found["api_url"], found["prefect_url"]))


def slow(seconds: float) -> Reply:
    """A recogniser that thinks for this long."""

    def reply(upload: Upload) -> Say:
        heard = words_every(0.5)(upload)
        return Say(heard.body, wait=seconds)

    return reply


def cpu_seconds(pids: dict[str, int]) -> dict[str, float]:
    """CPU time so far of each process with its children, ended ones too, user and system."""
    return {name: cpu_of(pid) for name, pid in pids.items()}
