"""The scaled-out product on this machine: `python -m deploy.scale_out --home DIR`, Ctrl+C ends it.

Several API processes and Prefect servers, one process of Prefect's services, workers for calls and one for housekeeping, on PostgreSQL
and Redis. Every process has a home folder of its own, as it would on a host of its own: what they share is the two servers and the
storage that `ROP_STORAGE_URL` and `ROP_LAKE_DATA` name (folders under `DIR/shared` when empty).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from core import ids
from core.errors import PermanentError, RopError
from core.settings import load
from deploy import backing
from rop import deploy, ports, record, stack
from rop.supervisor import Service, Supervisor
from tasks.prefect_api import RESIDENT

START_SECONDS = 240.0  # ten Python processes on two busy cores
ROP, PREFECT = "rop", "prefect"  # databases
PLACES = ("ROP_STORAGE_URL", "ROP_LAKE_DATA")
MIGRATED = {"PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false"}
REDIS_MODULES = {
    "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
    "PREFECT_MESSAGING_CACHE": "prefect_redis.messaging",
    "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
    "PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_QUEUE_STORAGE": "prefect_redis.cleanup_queue",
}


class FleetFailed(PermanentError):
    """A process did not become ready in time, or a preparation failed; the text says which."""

    code = "fleet_failed"


@dataclass(frozen=True)
class Shape:
    """How many processes of each kind; housekeeping and Prefect's services are one each."""

    apis: int = 2
    servers: int = 2
    workers: int = 2


class Fleet:
    """Starts everything in order and writes `stack.json` and `fleet.env` when all of it is ready."""

    def __init__(
        self, home: Path, shape: Shape, tell: Callable[[str], None], postgres: str | None = None, redis: str | None = None
    ) -> None:
        self.home = home.resolve()
        self.home.mkdir(parents=True, exist_ok=True)
        self.shape = shape
        self.supervisor = Supervisor(self.home / "logs", self._changed)
        self._tell = tell
        self._given = (postgres, redis)
        self._exit = ExitStack()
        self._ready = False
        self._ports = [ports.choose(0, "") for _ in range(shape.apis + shape.servers + 1)]
        self.api_urls = [f"http://{ports.LOOPBACK}:{port}" for port in self._ports[: shape.apis]]
        self.prefect_urls = [f"http://{ports.LOOPBACK}:{port}" for port in self._ports[shape.apis : -1]]

    def start(self) -> None:
        """Bring everything up; raises `FleetFailed` naming what did not start."""
        record.forget(self.home)
        self._changed({})
        self._tell("PostgreSQL, Redis…")
        self._shared = self._share(*self._back())
        operator = self._environment(0, "operator")
        self._settings = load(Path(operator["ROP_HOME"]), **_overrides(operator))
        self._prepare()
        self._tell("Prefect…")
        self._start_prefect()
        self._start_apis()
        self._wait([f"{url}/api/health" for url in self.prefect_urls])
        self._tell("Deployments…")
        deploy.apply(self._settings, operator)
        self._tell("Workers…")
        self._start_workers()
        self._wait([f"{url}/readyz" for url in self.api_urls])
        deploy.wait_for_workers(self._settings, self._deadline())
        self._ready = True
        _write_private(self.home / "fleet.env", "".join(f"{name}={value}\n" for name, value in sorted(operator.items())))
        self._changed(self.supervisor.pids)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then stop in reverse order."""
        try:
            self.supervisor.run()
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop all processes, then the database."""
        self.supervisor.stop()
        self._exit.close()
        record.forget(self.home)

    def _back(self) -> tuple[URL, str]:
        given_postgres, given_redis = self._given
        server = self._exit.enter_context(backing.postgres(self.home / "postgres", given_postgres))
        backing.ensure_databases(server, [ROP, PREFECT])
        if given_redis:
            return server, given_redis
        self.supervisor.start(Service("redis", backing.redis_command(self.home / "redis", self._ports[-1])))
        return server, f"redis://{ports.LOOPBACK}:{self._ports[-1]}"

    def _share(self, postgres: URL, redis: str) -> dict[str, str]:
        """What every host is told; the secret is kept, because it keys the hashes of API keys."""
        secret = self.home / "secret"
        if not secret.exists():
            _write_private(secret, ids.token(32))
        operational = _url(postgres, ROP)
        shared = {
            "ROP_DATABASE_URL": operational,
            "ROP_SECRET": secret.read_text(encoding="utf-8"),
            "ROP_STORAGE_URL": str(self.home / "shared" / "audio"),
            "ROP_LAKE_CATALOG": operational,
            "ROP_LAKE_DATA": str(self.home / "shared" / "lake"),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": _url(postgres.set(drivername="postgresql+asyncpg"), PREFECT),
            "PREFECT_REDIS_MESSAGING_URL": f"{redis}/0",
            "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL": f"{redis}/0",
            "PREFECT_SERVER_DOCKET_URL": f"{redis}/1",
        }
        return shared | REDIS_MODULES | {name: os.environ[name] for name in PLACES if name in os.environ}

    def _environment(self, number: int, host: str) -> dict[str, str]:
        """What the process of a host is told; hosts take the API processes and the Prefect servers in turn."""
        home = self.home / "hosts" / host
        (home / "prefect").mkdir(parents=True, exist_ok=True)
        addresses = stack.Addresses(self.api_urls[number % len(self.api_urls)], self.prefect_urls[number % len(self.prefect_urls)])
        return stack.environment(load(home), addresses) | self._shared

    def _prepare(self) -> None:
        stack.prepare_database(self._settings)
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
        environment = os.environ | self._environment(0, "prefect-1")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  our own command
        if done.returncode:
            raise FleetFailed(ru=f"База Prefect не обновлена: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _start_prefect(self) -> None:
        for number, port in enumerate(self._ports[self.shape.apis : -1]):
            # Two servers that register block types in a new database at once fail; one is enough.
            register = "true" if number == 0 else "false"
            command = ["prefect", "server", "start", "--no-services", "--host", ports.LOOPBACK, "--port", str(port)]
            self._start(number, f"prefect-{number + 1}", command, PREFECT_SERVER_REGISTER_BLOCKS_ON_START=register)
        self._start(0, "prefect-services", ["prefect", "server", "services", "start"])

    def _start_apis(self) -> None:
        for number, port in enumerate(self._ports[: self.shape.apis]):
            self._start(number, f"api-{number + 1}", stack.api_module(ports.LOOPBACK, port))

    def _start_workers(self) -> None:
        names = [f"worker-{number + 1}" for number in range(self.shape.workers)]
        pools = dict.fromkeys(names, self._settings.work_pool) | {"house": self._settings.house_pool}
        for number, (name, pool) in enumerate(pools.items()):
            # One machine plays several hosts, so their names have to be said.
            command = ["prefect", "worker", "start", "--pool", pool, "--type", RESIDENT, "--name", name]
            self._start(number, name, command, self._settings.worker_grace_seconds + 10)

    def _start(self, number: int, name: str, module: Sequence[str], grace_seconds: float = 10.0, **more: str) -> None:
        environment = MIGRATED | self._environment(number, name) | more
        self.supervisor.start(Service(name, [sys.executable, "-m", *module], environment, grace_seconds))

    def _wait(self, urls: Sequence[str]) -> None:
        check = self._deadline()
        for url in urls:
            while not stack.answers(url):
                check(url)
                self.supervisor.tend()
                time.sleep(0.2)

    def _deadline(self) -> Callable[[str], None]:
        deadline = time.monotonic() + START_SECONDS

        def check(what: str) -> None:
            if time.monotonic() > deadline:
                raise FleetFailed(ru=f"{what} не отвечает {START_SECONDS:.0f} с, см. {self.home / 'logs'}")

        return check

    def _changed(self, pids: dict[str, int]) -> None:
        """Note who is there as `rop up` does; once all is ready, `stack.json` has all addresses beside the first."""
        members = pids | {record.SUPERVISOR: os.getpid()}
        record.note(self.home, members)
        if self._ready:
            first = {"api_url": self.api_urls[0], "prefect_url": self.prefect_urls[0], "pages_url": f"{self.api_urls[0]}/"}
            lists = {"api_urls": self.api_urls, "prefect_urls": self.prefect_urls}
            record.announce(self.home, {**first, **lists}, members)


def _url(server: URL, database: str) -> str:
    return server.set(database=database).render_as_string(hide_password=False)


def _overrides(shared: Mapping[str, str]) -> dict[str, object]:
    """The shared `ROP_` settings for this process."""
    return {name.removeprefix("ROP_").lower(): value for name, value in shared.items() if name.startswith("ROP_") and name != "ROP_HOME"}


def _write_private(path: Path, content: str) -> None:
    path.touch(mode=0o600)
    path.write_text(content, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a fleet until it is told to stop; a known error is one sentence, exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m deploy.scale_out", description="The scaled-out product on this machine.")
    parser.add_argument("--home", type=Path, default=Path("var/fleet"), help="folder of the fleet; default: var/fleet")
    parser.add_argument("--apis", type=int, default=2, help="API processes")
    parser.add_argument("--servers", type=int, default=2, help="Prefect servers")
    parser.add_argument("--workers", type=int, default=2, help="workers for calls; one more does the housekeeping")
    parser.add_argument("--postgres", help="URL of a running PostgreSQL; default: one of its own")
    parser.add_argument("--redis", help="URL of a running Redis without a database number; default: one of its own")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        fleet = Fleet(given.home, Shape(given.apis, given.servers, given.workers), print, given.postgres, given.redis)
        _serve(fleet)
    except RopError as error:
        print(f"scale_out: {error.text('ru')}", file=sys.stderr)  # noqa: T201  a command
        sys.exit(1)


def _serve(fleet: Fleet) -> None:
    try:
        fleet.start()
        addresses = f"API {' '.join(fleet.api_urls)}  ·  Prefect {' '.join(fleet.prefect_urls)}"
        print(f"{addresses}\nset -a; . {fleet.home}/fleet.env; rop key create --label CRM", flush=True)  # noqa: T201  a command
        fleet.run()
    except KeyboardInterrupt:
        pass
    finally:
        fleet.stop()


if __name__ == "__main__":
    main()
