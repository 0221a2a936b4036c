"""The whole product on one machine: Prefect server, API, and two resident workers, one for calls and one for housekeeping."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from core.errors import PermanentError
from core.settings import Settings
from db import migrate
from db.engine import Database
from rop import deploy, first_start, ports, record
from rop.supervisor import Service, Supervisor
from tasks.prefect_api import RESIDENT

# The server's own defaults write every event by itself and look for work that we never have every few seconds.
LEAN_SERVER = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "2",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "300",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "30",
}
START_SECONDS = 180.0  # a cold Prefect database on a busy machine takes half a minute


class StackFailed(PermanentError):
    """A process did not become ready in time; its log says why."""

    code = "stack_failed"


@dataclass(frozen=True)
class Addresses:
    """Where the running stack answers."""

    api_url: str
    prefect_url: str

    @property
    def pages_url(self) -> str:
        return f"{self.api_url}/"


class Stack:
    """Starts everything in order and writes `stack.json` when all of it is ready."""

    def __init__(self, settings: Settings, api_port: int, prefect_port: int, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._ready = False
        settings.root.mkdir(parents=True, exist_ok=True)
        api = ports.choose(api_port, "--api-port", settings.api_host)
        prefect = ports.choose(prefect_port, "--prefect-port")
        self.addresses = Addresses(f"http://{settings.api_host}:{api}", f"http://{ports.LOOPBACK}:{prefect}")
        self.settings = settings.model_copy(update={"prefect_api_url": f"{self.addresses.prefect_url}/api"})
        self.supervisor = Supervisor(settings.root / "logs", self._changed)
        self._environment = environment(settings, self.addresses)
        self._ports = (api, prefect)

    def start(self) -> None:
        """Bring everything up; raises `StackFailed` naming the log of what did not start."""
        self._changed({})
        prepare_database(self.settings)
        api, prefect = self._ports
        self._tell("Prefect…")
        self._spawn("prefect", [sys.executable, "-m", "rop.prefect_server", "start", "--host", ports.LOOPBACK, "--port", str(prefect)])
        self._spawn("api", [sys.executable, "-m", *api_module(self.settings.api_host, api)])
        self._wait("prefect", f"{self.addresses.prefect_url}/api/health")
        self._tell("Deployments…")
        deploy.apply(self.settings, self._environment)
        self._tell("Workers…")
        for name, pool in (("worker", self.settings.work_pool), ("house", self.settings.house_pool)):
            command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", RESIDENT]
            self._spawn(name, command, worker_grace(self.settings))
        self._wait("api", f"{self.addresses.api_url}/readyz")
        deploy.wait_for_workers(self.settings, self._check_deadline())
        self._ready = True
        self._changed(self.supervisor.pids)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then stop in reverse order."""
        try:
            self.supervisor.run()
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop all processes and take their record away."""
        self.supervisor.stop()
        record.forget(self.settings.root)

    def _spawn(self, name: str, command: list[str], grace_seconds: float = 10.0) -> None:
        self.supervisor.start(Service(name, command, self._environment, grace_seconds))

    def _wait(self, name: str, url: str) -> None:
        check = self._check_deadline()
        while not answers(url):
            check(name)
            self.supervisor.tend()
            time.sleep(0.2)

    def _check_deadline(self) -> Callable[[str], None]:
        deadline = time.monotonic() + START_SECONDS

        def check(name: str) -> None:
            if time.monotonic() > deadline:
                log = self.settings.root / "logs" / f"{name}.log"
                raise StackFailed(ru=f"{name} не запустился за {START_SECONDS:.0f} с, см. {log}", en=f"{name} did not start, see {log}")

        return check

    def _changed(self, pids: dict[str, int]) -> None:
        """Note who is there; once all is ready, `stack.json` tells it, too, and a restart changes the pids in both."""
        members = pids | {record.SUPERVISOR: os.getpid()}
        record.note(self.settings.root, members)
        if self._ready:
            addresses = {
                "api_url": self.addresses.api_url,
                "prefect_url": self.addresses.prefect_url,
                "pages_url": self.addresses.pages_url,
            }
            record.announce(self.settings.root, addresses, members)


def environment(settings: Settings, addresses: Addresses) -> dict[str, str]:
    """What every process of the stack is told; Prefect keeps all its files under our home, and writes nothing into the installation."""
    home = settings.root
    return {
        "ROP_HOME": str(home),
        "ROP_PREFECT_API_URL": f"{addresses.prefect_url}/api",
        "ROP_PUBLIC_URL": settings.public_url or addresses.api_url,
        "PREFECT_HOME": str(home / "prefect"),
        **deploy.client_environment(settings.model_copy(update={"prefect_api_url": f"{addresses.prefect_url}/api"})),
        "PREFECT_UI_URL": addresses.prefect_url,
        "PREFECT_PROFILES_PATH": str(home / "prefect" / "profiles.toml"),
        "PREFECT_LOCAL_STORAGE_PATH": str(home / "prefect" / "storage"),
        "PREFECT_UI_STATIC_DIRECTORY": str(home / "prefect" / "ui"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        **deploy.server_environment(settings),
        **LEAN_SERVER,
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_WORKER_PREFETCH_SECONDS": "2",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "DO_NOT_TRACK": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def prepare_database(settings: Settings) -> None:
    """Bring the operational database to the newest schema, with the built-in definitions in a new one."""
    database = Database(settings.db_url)
    migrate.upgrade(database)
    first_start.apply_builtin(database)
    database.dispose()


def worker_grace(settings: Settings) -> float:
    """Seconds from SIGTERM until a worker is killed: its calls may end, and what is left goes back to the queue."""
    return settings.worker_grace_seconds + 10


def api_module(host: str, port: int) -> list[str]:
    """What `python -m` is given to serve the API."""
    options = ["--host", host, "--port", str(port), "--no-access-log", "--no-server-header"]
    return ["uvicorn", "--factory", "api.app:from_environment", *options]


def answers(url: str) -> bool:
    """Whether a GET of `url` succeeds within two seconds."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
