"""Starts flow runs behind the answer: the CRM never waits for Prefect, and what is not started here the reconciler starts."""

from __future__ import annotations

import queue
import threading

import structlog

from core.errors import RopError
from core.settings import Settings
from db.engine import Database
from tasks.dispatch import trigger
from tasks.prefect_api import PrefectApi

BACKLOG = 10_000  # calls that wait in memory; beyond it they are left to the reconciler
CLOSE_SECONDS = 5.0  # for the calls that still wait at shutdown
PACE_SECONDS = 0.05  # between two starts: Prefect takes no more, and in a burst the answers come first
DOWN_SECONDS = 1.0  # between two tries while Prefect is down
TRIES = 3  # that a Prefect which is there refuses, then the next call's turn: one must not hold up the others

log = structlog.get_logger(__name__)


class Starter:
    """One thread that triggers accepted calls in order of receipt."""

    def __init__(self, database: Database, prefect: PrefectApi, settings: Settings) -> None:
        self._database = database
        self._prefect = prefect
        self._settings = settings
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, call_id: str) -> None:
        """Trigger the call soon; returns at once and never raises."""
        if self._waiting.qsize() >= BACKLOG:
            log.warning("not_triggered", call_id=call_id, error="backlog_full")
            return
        self._ensure_thread()
        self._waiting.put(call_id)

    def close(self) -> None:
        """Trigger what still waits, within a bounded time."""
        self._closing.set()
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(CLOSE_SECONDS)

    def _ensure_thread(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="starter", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while (call_id := self._waiting.get()) is not None:
            self._persist(call_id)
            self._closing.wait(PACE_SECONDS)

    def _persist(self, call_id: str) -> None:
        """Wait out a Prefect that is down, however long: after a restart of it no call waits for the reconciler."""
        refused = 0
        while not self._trigger(call_id) and not self._closing.wait(DOWN_SECONDS):
            refused += self._prefect.healthy()
            if refused == TRIES:
                return

    def _trigger(self, call_id: str) -> bool:
        """Start one call; false when Prefect did not take it, which leaves it to the reconciler."""
        try:
            return trigger(self._database, self._prefect, self._settings, call_id) is not None
        except RopError as error:
            log.warning("not_triggered", call_id=call_id, error=error.reason)
        except Exception:
            log.exception("not_triggered", call_id=call_id)  # one odd call must not end the thread that starts all others
        return True
