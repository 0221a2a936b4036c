"""Work pools, queues, limits, deployments and automations in the Prefect server, as code and idempotent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from core import ids
from core.errors import PermanentError
from core.settings import Settings
from rop import automations
from tasks.dispatch import RECONCILE
from tasks.prefect_api import LLM_LIMIT, PrefectApi

ROOT = Path(__file__).resolve().parent.parent
LIVE_PRIORITY, BULK_PRIORITY, TRIAL_PRIORITY = 1, 100, 100


class DeployFailed(PermanentError):
    """`prefect deploy` refused; the message is its output."""

    code = "deploy_failed"


def apply(settings: Settings, environment: Mapping[str, str]) -> None:
    """Create pools, queues and limits, deploy every flow of prefect.yaml, set the alerts, have a first look for lost calls made.

    Harmless when repeated.
    """
    with closing(PrefectApi(settings)) as prefect:
        for pool in (settings.work_pool, settings.house_pool):
            prefect.ensure_pool(pool)
        prefect.ensure_queue(settings.work_pool, settings.live_queue, LIVE_PRIORITY)
        prefect.ensure_queue(settings.work_pool, settings.bulk_queue, BULK_PRIORITY)
        prefect.ensure_queue(settings.house_pool, settings.trial_queue, TRIAL_PRIORITY, settings.trials_at_once)
        if settings.llm_per_minute is not None:
            prefect.ensure_rate(LLM_LIMIT, settings.llm_per_minute)
        _deploy_flows({**environment, **pools(settings)})
        automations.apply(prefect, settings)
        prefect.start(RECONCILE, {}, key=ids.token(), name="сверка", tags=[])


def server_environment(settings: Settings) -> dict[str, str]:
    """What the Prefect server is told: who may speak to it, and how long it remembers."""
    remembers = {
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": f"{settings.run_keep_seconds:.0f}",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"PT{settings.event_keep_seconds:.0f}S",
    }
    login = {} if settings.prefect_auth is None else {"PREFECT_SERVER_API_AUTH_STRING": settings.prefect_auth.get_secret_value()}
    return remembers | login


def client_environment(settings: Settings) -> dict[str, str]:
    """What everybody is told who speaks to the Prefect server."""
    login = {} if settings.prefect_auth is None else {"PREFECT_API_AUTH_STRING": settings.prefect_auth.get_secret_value()}
    return {"PREFECT_API_URL": settings.prefect_api_url} | login


def pools(settings: Settings) -> dict[str, str]:
    """What prefect.yaml is told: the names of the pools and queues."""
    names = ("work_pool", "live_queue", "bulk_queue", "house_pool", "trial_queue")
    return {f"ROP_{name.upper()}": str(getattr(settings, name)) for name in names}


def _deploy_flows(environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(ROOT / "prefect.yaml")]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | dict(environment), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise DeployFailed(ru="Развёртывание не удалось: " + done.stdout[-2000:] + done.stderr[-2000:])


def wait_for_workers(settings: Settings, check: Callable[[str], None]) -> None:
    """Wait until both pools have a worker online; `check` raises when it takes too long."""
    with closing(PrefectApi(settings)) as prefect:
        while not all(prefect.workers(pool) for pool in (settings.work_pool, settings.house_pool)):
            check("worker")
            time.sleep(0.5)
