"""What every step of a call needs, built once a process and handed down: settings, database, storage, engines, leases."""

from __future__ import annotations

import threading
from functools import cached_property

from core import settings as settings_module
from core.http import Guarded
from core.settings import Settings
from core.storage import Storage
from db.engine import Database
from tasks.engines import analyst, asr
from tasks.lease import Lease


class Runtime:
    """The process's own set of tools; engines are built when the first step asks for them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.leases: dict[str, Lease] = {}
        self._analysts: dict[str, analyst.Analyst] = {}
        self._building = threading.Lock()

    @cached_property
    def database(self) -> Database:
        return Database(self.settings.db_url)

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
                self._analysts[chosen] = analyst.build(self.settings, chosen)
            return self._analysts[chosen]

    def lease(self, call_id: str) -> Lease:
        """The lease this process holds on the call."""
        return self.leases[call_id]


_current: Runtime | None = None
_choosing = threading.Lock()


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
