"""Group commit: what many threads write at the same moment becomes durable in one transaction.

A commit waits for the disk far longer than the statements before it take. On SQLite, where only one can write, one thread collects the
jobs of all others, runs them in one transaction and commits once; nobody hears of success before that commit. PostgreSQL groups
commits itself, so there every job is a transaction of its own.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.errors import RopError
from db.engine import Database

T = TypeVar("T")
Task = tuple[Callable[[Session], Any], Future[Any]]
BATCH = 64  # jobs of one transaction on SQLite: more only lengthen the wait of the first
THREADS = 8  # writers beside each other on PostgreSQL


class Writer:
    """Runs short write jobs. A job that refuses raises a `RopError` before it changes anything; any other error costs its own job alone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batch, self._count = (BATCH, 1) if database.is_sqlite else (1, THREADS)
        self._waiting: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def submit(self, job: Callable[[Session], T]) -> Future[T]:
        """The future result of `job`: it is there after the commit, or the error is."""
        self._ensure_threads()
        future: Future[T] = Future()
        self._waiting.put((job, future))
        return future

    def close(self) -> None:
        """Finish what waits."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _ensure_threads(self) -> None:
        with self._starting:
            while len(self._threads) < self._count:
                self._threads.append(threading.Thread(target=self._work, name="writer", daemon=True))
                self._threads[-1].start()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, ended = self._more(first)
            self._commit([task for task in batch if task[1].set_running_or_notify_cancel()])
            if ended:
                return

    def _more(self, first: Task) -> tuple[list[Task], bool]:
        """What waits beside `first`, and whether the end was among it."""
        batch = [first]
        while len(batch) < self._batch and not self._waiting.empty():
            if (following := self._waiting.get()) is None:
                return batch, True
            batch.append(following)
        return batch, False

    def _commit(self, batch: list[Task]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            with self._database.begin() as session:
                for job, future in batch:
                    try:
                        done.append((future, job(session)))
                    except RopError as refusal:
                        future.set_exception(refusal)
        except Exception as error:  # noqa: BLE001  it belongs to whoever waits for the job
            self._fail([task for task in batch if not task[1].done()], error)
            return
        for future, result in done:
            future.set_result(result)

    def _fail(self, batch: list[Task], error: Exception) -> None:
        """A database that is down fails all; otherwise one job broke the transaction, and each is tried once more by itself."""
        if len(batch) == 1 or isinstance(error, OperationalError):
            for _, future in batch:
                future.set_exception(error)
            if self._database.is_sqlite and isinstance(error, OperationalError):
                self._fail_waiting(error)
            return
        for task in batch:
            self._commit([task])

    def _fail_waiting(self, error: OperationalError) -> None:
        """What came while the database was waited for has waited as long as anybody should; the next job asks it anew."""
        for _ in range(self._waiting.qsize()):
            task = self._waiting.get()
            if task is None:
                self._waiting.put(None)
            elif task[1].set_running_or_notify_cancel():
                task[1].set_exception(error)
