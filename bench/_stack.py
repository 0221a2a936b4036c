"""A stack for benches: started as an operator would, measured from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

FINAL = {"done", "failed", "no_speech"}
START_SECONDS = 240.0


@dataclass(frozen=True)
class Running:
    """A stack that is up; `api` carries a key."""

    home: Path
    pids: dict[str, int]
    api: httpx.Client

    def post(self, call_id: str, audio_url: str) -> None:
        """Post one call."""
        form = {"manager_id": "m", "call_id": call_id, "deal_id": "d", "deal_stage_id": "s", "audio_url": audio_url}
        self.api.post("/calls/audio-upload", data=form).raise_for_status()

    def wait(self, call_ids: list[str]) -> None:
        """Until every call is final; raises when one did not end well."""
        left = list(call_ids)
        while left:
            status = self.api.get(f"/calls/{left[0]}").json()["status"]
            if status == "failed":
                raise RuntimeError(f"{left[0]} failed")
            if status in FINAL:
                left.pop(0)
            else:
                time.sleep(0.2)

    def cpu_seconds(self) -> float:
        """CPU time of all processes of the stack so far, user and system, with those that have ended; `rop` is the parent of them all."""
        return cpu_of(self.pids["rop"])


@contextmanager
def running(home: Path, **settings: str) -> Iterator[Running]:
    """A stack on free ports with loopback open and no rate limit to speak of."""
    command = [sys.executable, "-m", "rop", "up", "--home", str(home), "--api-port", "0", "--prefect-port", "0"]
    environment = os.environ | {"ROP_ALLOWED_NETWORKS": "127.0.0.1/32", "ROP_RATE_LIMIT": "100000"} | settings
    home.mkdir(parents=True)
    with (home / "up.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        stack = _ready(home, process)
        key = subprocess.run(
            [sys.executable, "-m", "rop", "key", "create", "--home", str(home), "--label", "bench", "--plain"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        with httpx.Client(base_url=f"{stack['api_url']}/api/v1", params={"apiKey": key}, trust_env=False, timeout=30) as api:
            yield Running(home, stack["pids"], api)
    finally:
        process.terminate()
        process.wait(60)


def _ready(home: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while not (home / "stack.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((home / "up.log").read_text())
        time.sleep(0.2)
    return json.loads((home / "stack.json").read_text())


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and its children so far, ended ones too, user and system."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:4]) for one in family)  # the last two are of children that have ended
