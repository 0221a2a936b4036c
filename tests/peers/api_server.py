"""The API as it runs in production: uvicorn in processes of its own, settings from the environment, one log file."""

from __future__ import annotations

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

from core import clock
from core.secrets import server_secret
from core.settings import Settings
from db import keys
from db.engine import Database
from rop import ports
from tests.peers import databases

START_SECONDS = 120.0


@dataclass(frozen=True)
class Server:
    """A running API: its base URL, a key it knows, its database and its log."""

    url: str
    key: str
    settings: Settings
    database: Database
    log: Path


@contextmanager
def serve(home: Path, workers: int = 1, **settings: Any) -> Iterator[Server]:
    """Start it, wait until every worker could answer, and stop it with SIGTERM."""
    made = Settings(home=home, **settings)
    database = databases.empty(made.db_url)
    with database.begin() as session:
        key = keys.create(session, server_secret(made), "live", clock.now()).plain
    port, log = ports.choose(0, "--port"), home / "api.log"
    environment = os.environ | {f"ROP_{name.upper()}": value for name, value in settings.items()} | {"ROP_HOME": str(home)}
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:from_environment", "--port", str(port), "--workers", str(workers)]
    with log.open("wb") as file:
        process = subprocess.Popen([*command, "--no-access-log"], env=environment, stdout=file, stderr=file, cwd=Path(__file__).parents[2])
        try:
            _wait(f"http://127.0.0.1:{port}/healthz", process, log, workers)
            yield Server(f"http://127.0.0.1:{port}", key, made, database, log)
        finally:
            process.terminate()
            process.wait(60)
            database.dispose()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path, workers: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while log.read_text().count("Application startup complete") < workers:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    assert httpx.get(url, trust_env=False).status_code == 200
