"""A real Prefect server on a free port, with one deployment that nobody works on: what recovery sees is what a test makes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from core.settings import Settings
from rop import ports
from rop.deploy import BULK_PRIORITY, LIVE_PRIORITY
from rop.stack import Addresses, environment
from tasks.prefect_api import PrefectApi

START_SECONDS = 120.0


@contextmanager
def running(home: Path, settings: Settings | None = None) -> Iterator[str]:
    """The API address of a server that keeps its files in `home` and its door as the settings say."""
    settings = (settings or Settings()).model_copy(update={"home": home})
    port = ports.choose(0, "--port")
    url = f"http://{ports.LOOPBACK}:{port}"
    told = os.environ | environment(settings, Addresses("http://127.0.0.1:9", url))
    command = [sys.executable, "-m", "rop.prefect_server", "start", "--host", ports.LOOPBACK, "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=told, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait(f"{url}/api/health", process, home / "server.log")
        yield f"{url}/api"
    finally:
        process.terminate()
        process.wait(30)


def deploy(settings: Settings) -> None:
    """Pools, queues and the deployments of two flows, as `rop deploy` makes them."""
    prefect = PrefectApi(settings)
    for pool in (settings.work_pool, settings.house_pool):
        prefect.ensure_pool(pool)
    prefect.ensure_queue(settings.work_pool, settings.live_queue, LIVE_PRIORITY)
    prefect.ensure_queue(settings.work_pool, settings.bulk_queue, BULK_PRIORITY)
    for flow, name, queue in (("process-call", "calls", settings.live_queue), ("rescore-call", "rescore", settings.bulk_queue)):
        known = prefect.request("POST", "/flows/", {"name": flow})["id"]
        where = {"work_pool_name": settings.work_pool, "work_queue_name": queue}
        prefect.request("POST", "/deployments/", {"name": name, "flow_id": known} | where)
    prefect.close()


def clear(settings: Settings) -> None:
    """Forget all runs, and the workers of the calls' pool."""
    with closing(PrefectApi(settings)) as prefect:
        while prefect.request("POST", "/flow_runs/bulk_delete", {"flow_runs": {}})["deleted"]:
            pass
        for worker in prefect.workers(settings.work_pool):
            prefect.request("DELETE", f"/work_pools/{settings.work_pool}/workers/{worker}")


def scheduled(settings: Settings, limit: int) -> list[dict[str, Any]]:
    """The flow runs that the next free workers of the pool would get."""
    prefect = PrefectApi(settings)
    found = prefect.request("POST", f"/work_pools/{settings.work_pool}/get_scheduled_flow_runs", {"limit": limit})
    prefect.close()
    return [one["flow_run"] for one in found]


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
