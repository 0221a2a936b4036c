"""A real stack, once for all tests of a file: Prefect server, API, workers, and a CRM on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from rop.crm import Crm
from tests.peers.waiting import eventually

SAMPLES = Path(__file__).parents[2] / "samples"
START_SECONDS = 180
CALL_SECONDS = 240
FINAL = {"done", "failed", "no_speech"}
TOKEN = "t0ken-of-the-file-server"  # in the address of every recording; nothing may show it
SETTINGS = {"ROP_ALLOWED_NETWORKS": "127.0.0.1/32", "ROP_RATE_LIMIT": "6000", "ROP_LEASE_SECONDS": "20", "ROP_WAIT_OUT_SECONDS": "0"}


def rop(home: Path, *arguments: str) -> str:
    """Run a `rop` command on the home and return what it printed."""
    command = [sys.executable, "-m", "rop", *arguments, "--home", str(home)]
    return subprocess.run(command, env=os.environ | SETTINGS, capture_output=True, text=True, check=True, timeout=120).stdout.strip()


@dataclass
class LiveStack:
    """A running stack as the outside sees it."""

    home: Path
    process: subprocess.Popen[bytes]
    key: str
    crm: Crm
    recordings: Path

    @property
    def addresses(self) -> dict[str, Any]:
        return json.loads((self.home / "stack.json").read_text())

    @property
    def api(self) -> httpx.Client:
        base = f"{self.addresses['api_url']}/api/v1"
        return httpx.Client(base_url=base, params={"apiKey": self.key}, trust_env=False, timeout=30)

    @property
    def prefect(self) -> httpx.Client:
        return httpx.Client(base_url=f"{self.addresses['prefect_url']}/api", trust_env=False, timeout=30)

    def upload(self, call_id: str, audio: str, **fields: str) -> httpx.Response:
        """Post a call as the seed's curl does; `audio` is a file of the CRM or a whole URL."""
        url = f"{audio if '://' in audio else f'{self.crm.url}/{audio}'}?token={TOKEN}"
        form = {"manager_id": "mgr_001", "call_id": call_id, "deal_id": "deal_1", "deal_stage_id": "new", "audio_url": url} | fields
        with self.api as api:
            return api.post("/calls/audio-upload", files={name: (None, f'"{value}"') for name, value in form.items()})

    def call(self, call_id: str) -> dict[str, Any]:
        with self.api as api:
            return api.get(f"/calls/{call_id}").json()

    def wait(self, call_id: str, until: Callable[[dict[str, Any]], bool] | None = None, seconds: float = CALL_SECONDS) -> dict[str, Any]:
        """Poll the call until it is final, or until `until` holds."""
        wanted = until or (lambda call: call["status"] in FINAL)
        deadline = time.monotonic() + seconds
        while not wanted(call := self.call(call_id)):
            assert time.monotonic() < deadline, f"{call_id} is still {call}"
            time.sleep(0.25)
        return call

    def run_of(self, call_id: str) -> dict[str, Any]:
        """The flow run of the call, as Prefect shows it."""
        with self.prefect as prefect:
            found = prefect.post("/flow_runs/filter", json={"flow_runs": {"name": {"any_": [call_id]}}}).json()
        assert len(found) == 1
        return found[0]

    def ended_run_of(self, call_id: str, state: str) -> dict[str, Any]:
        """Its flow run once that is in this state, a moment after the call."""
        return eventually(lambda: (run := self.run_of(call_id))["state"]["type"] == state and run)

    def kill(self, name: str) -> int:
        """SIGKILL one process of the stack."""
        pid = self.addresses["pids"][name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows, none while nothing was published."""
        if not (self.home / "warehouse" / "reports.duckdb").exists():
            return []
        return json.loads(rop(self.home, "query", sql, "--json"))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """Started as an operator would, on free ports, with loopback opened for the CRM."""
    home = tmp_path_factory.mktemp("stack home")
    recordings = _recordings(tmp_path_factory.mktemp("recordings"))
    crm = Crm(recordings)
    command = [sys.executable, "-m", "rop", "up", "--home", str(home), "--api-port", "0", "--prefect-port", "0"]
    environment = os.environ | SETTINGS
    log = (home / "up.log").open("wb")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait_for(home, process)
        key = rop(home, "key", "create", "--label", "tests", "--manager-channel", "left", "--plain")
        for kind, name in (("checklist", "sales"), ("table", "TBL_1755863365")):
            path = f"/hooks/{kind}"
            crm.inbox.secrets[path] = rop(home, kind, "webhook", name, f"{crm.url}{path}", "--plain")
        yield LiveStack(home, process, key, crm, recordings)
    finally:
        process.terminate()
        process.wait(90)
        crm.close()
        log.close()


def _recordings(folder: Path) -> Path:
    """The samples, and files that are none."""
    for file in ("good_call.ogg", "average_call.mp3", "silent_call.ogg"):
        shutil.copy(SAMPLES / file, folder)
    (folder / "empty.wav").touch()
    (folder / "page.html").write_text("<!doctype html><title>Sign in</title>" + "<p>Please sign in.</p>" * 50)
    return folder


def _wait_for(home: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (home / "stack.json").exists():
        assert process.poll() is None, (home / "up.log").read_text()
        assert time.monotonic() < deadline, (home / "up.log").read_text()
        time.sleep(0.2)
