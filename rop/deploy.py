"""Work pools, queues and deployments in the Prefect server, as code and idempotent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from core.errors import PermanentError
from core.settings import Settings
from tasks.prefect_api import PrefectApi

ROOT = Path(__file__).resolve().parent.parent
LIVE_PRIORITY, BULK_PRIORITY = 1, 100


class DeployFailed(PermanentError):
    """`prefect deploy` refused; the message is its output."""

    code = "deploy_failed"


def apply(settings: Settings, environment: Mapping[str, str]) -> None:
    """Create the pools and queues, then deploy every flow of prefect.yaml; harmless when repeated."""
    with closing(PrefectApi(settings)) as prefect:
        for pool in (settings.work_pool, settings.house_pool):
            prefect.ensure_pool(pool, "resident")
        prefect.ensure_queue(settings.work_pool, settings.live_queue, LIVE_PRIORITY)
        prefect.ensure_queue(settings.work_pool, settings.bulk_queue, BULK_PRIORITY)
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(ROOT / "prefect.yaml")]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | dict(environment), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise DeployFailed(ru="Развёртывание не удалось: " + done.stdout[-2000:] + done.stderr[-2000:])


def wait_for_workers(settings: Settings, check: Callable[[str], None]) -> None:
    """Wait until both pools have a worker online; `check` raises when it takes too long."""
    with closing(PrefectApi(settings)) as prefect:
        while not all(prefect.has_worker(pool) for pool in (settings.work_pool, settings.house_pool)):
            check("worker")
            time.sleep(0.5)
