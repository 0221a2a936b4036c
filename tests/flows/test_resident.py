"""The worker as a process: what it does when Prefect goes away, and what its health endpoint says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from core.settings import Settings
from rop import ports
from tasks.prefect_api import PrefectApi
from tests.peers import prefect_server
from tests.peers.waiting import eventually

pytestmark = pytest.mark.slow
# In such haste Prefect's own worker is called unhealthy after three seconds without an answer, and gives up soon after.
HASTE = {"PREFECT_WORKER_QUERY_SECONDS": "0.1", "PREFECT_CLIENT_MAX_RETRIES": "0"}
AWAY_SECONDS = 6


def test_a_worker_waits_for_a_prefect_that_is_away_and_stays_sound(settings: Settings, tmp_path: Path) -> None:
    health = f"http://127.0.0.1:{(port := ports.choose(0, '--port'))}/health"
    with ExitStack() as there:
        told = settings.model_copy(update={"prefect_api_url": there.enter_context(prefect_server.running(tmp_path))})
        prefect_server.deploy(told)
        with _worker(told, port, tmp_path / "worker.log") as worker:
            there.close()
            time.sleep(AWAY_SECONDS)
            assert worker.poll() is None, (tmp_path / "worker.log").read_text()
            assert httpx.get(health, trust_env=False).status_code == 200
        assert worker.returncode == 0


@contextmanager
def _worker(settings: Settings, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that is online, and is asked to stop at the end."""
    told = {"PREFECT_API_URL": settings.prefect_api_url, "PREFECT_WORKER_WEBSERVER_PORT": str(port), "ROP_HOME": str(settings.root)}
    command = [
        sys.executable,
        "-m",
        "prefect",
        "worker",
        "start",
        "--pool",
        settings.house_pool,
        "--type",
        "resident",
        "--with-healthcheck",
    ]
    with log.open("wb") as output:
        worker = subprocess.Popen(command, env=os.environ | HASTE | told, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        with closing(PrefectApi(settings)) as prefect:
            eventually(lambda: prefect.workers(settings.house_pool), 60, log.read_text)
        yield worker
    finally:
        worker.terminate()
        worker.wait(30)
