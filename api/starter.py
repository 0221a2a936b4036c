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

log = structlog.get_logger(__name__)


class Starter:
    """One thread that triggers accepted calls in order of receipt."""

    def __init__(self, database: Database, prefect: PrefectApi, settings: Settings) -> None:
        self._database = database
        self._prefect = prefect
        self._settings = settings
        self._waiting: queue.Queue[str | None] = queue.Queue(BACKLOG)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, call_id: str) -> None:
        """Trigger the call soon; returns at once and never raises."""
        self._ensure_thread()
        try:
            self._waiting.put_nowait(call_id)
        except queue.Full:
            log.warning("not_triggered", call_id=call_id, error="backlog_full")

    def close(self) -> None:
        """Trigger what still waits, within a bounded time."""
        with self._starting:
            thread = self._thread
        if thread is not None and thread.is_alive():
            try:
                self._waiting.put(None, timeout=CLOSE_SECONDS)
            except queue.Full:
                return
            thread.join(CLOSE_SECONDS)

    def _ensure_thread(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="starter", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while (call_id := self._waiting.get()) is not None:
            try:
                trigger(self._database, self._prefect, self._settings, call_id)
            except RopError as error:
                log.warning("not_triggered", call_id=call_id, error=error.reason)
            except Exception:
                log.exception("not_triggered", call_id=call_id)
