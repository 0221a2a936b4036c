"""What every step of a call needs, built once a process and handed down: settings, database, storage, engines, leases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property, partial

from core import settings as settings_module
from core.errors import Cancelled, LeaseLost
from core.http import Guarded
from core.settings import Settings
from core.storage import Storage
from db import migrate
from db.engine import Database
from tasks.engines import analyst, asr
from tasks.lease import Lease
from tasks.places import Places


class Runtime:
    """The process's own set of tools; engines are built when the first step asks for them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.leases: dict[str, Lease] = {}  # by flow run
        self.cancelled: set[str] = set()  # flow runs without a call that were told to stop
        self._analysts: dict[str, analyst.Analyst] = {}
        self._building = threading.Lock()
        self.recognising = Places(settings.asr_parallel)

    @cached_property
    def database(self) -> Database:
        """Raises `SchemaTooNew`: a worker of an older version must not write what a newer one reads."""
        database = Database(self.settings.db_url)
        migrate.refuse_newer(database)
        return database

    @cached_property
    def storage(self) -> Storage:
        return Storage(self.settings)

    @cached_property
    def http(self) -> Guarded:
        return Guarded(self.settings)

    @cached_property
    def transcriber(self) -> asr.Transcriber:
        return asr.build(self.settings)

    def analyst(self, name: str = "default") -> analyst.Analyst:
        """The engine of that name, or the one that the settings choose."""
        chosen = self.settings.analyst_engine if name == "default" else name
        with self._building:
            if chosen not in self._analysts:
                self._analysts[chosen] = analyst.build(self.settings, chosen, _turn(self.settings))
            return self._analysts[chosen]

    def check_cancelled(self, flow_run_id: str) -> None:
        """Raise `Cancelled` when a run that holds no call was told to stop."""
        if flow_run_id in self.cancelled:
            raise Cancelled

    @contextmanager
    def holding(self, lease: Lease, flow_run_id: str) -> Iterator[Lease]:
        """Keep the lease alive, and known to the steps of its run, while the block lasts."""
        self.leases[flow_run_id] = lease
        mark = _held.set(lease)
        try:
            with lease:
                yield lease
        finally:
            _held.reset(mark)
            del self.leases[flow_run_id]

    def lease(self, call_id: str) -> Lease:
        """The lease under which this run works on the call; never that of a newer run of it, which the same process may hold."""
        lease = _held.get()
        if lease is None or lease.call.call_id != call_id:
            raise LeaseLost(call_id=call_id)
        return lease


def _turn(settings: Settings) -> analyst.Turn:
    if settings.llm_per_minute is None:
        return analyst.at_once
    from tasks.budget import wait_for_turn  # Prefect is imported for those who need it

    return partial(wait_for_turn, settings)


_held: ContextVar[Lease | None] = ContextVar("lease", default=None)  # Prefect runs tasks in a copy of their flow's context
_current: Runtime | None = None
_choosing = threading.Lock()


def held() -> Lease | None:
    """The lease of the run at hand, if it works on a call that has not ended."""
    return _held.get()


def use(runtime: Runtime) -> None:
    """Make `runtime` the one of this process; a resident worker does so before its first run."""
    global _current  # noqa: PLW0603  the one place where a process keeps its tools: Prefect calls tasks without them
    _current = runtime


def current() -> Runtime:
    """The process's runtime, built from the environment where no worker chose one."""
    with _choosing:
        if _current is None:
            use(Runtime(settings_module.load()))
        assert _current is not None  # noqa: S101  for the type checker: `use` has just set it
        return _current
