"""Group commit: what many threads write at the same moment becomes durable in one transaction.

A commit waits for the disk far longer than the statements before it take. One thread collects the jobs of all others, runs them in
one transaction and commits once; nobody hears of success before that commit.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from core.errors import RopError
from db.engine import Database

T = TypeVar("T")
Task = tuple[Callable[[Session], Any], Future[Any]]
BATCH = 64  # jobs of one transaction: more only lengthen the wait of the first


class Writer:
    """Runs short write jobs. A job that refuses raises a `RopError` before it changes anything; any other error costs its own job alone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def submit(self, job: Callable[[Session], T]) -> Future[T]:
        """The future result of `job`: it is there after the commit, or the error is."""
        self._ensure_thread()
        future: Future[T] = Future()
        self._waiting.put((job, future))
        return future

    def close(self) -> None:
        """Finish what waits."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()

    def _ensure_thread(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, last = [first], False
            while len(batch) < BATCH and not self._waiting.empty():
                if (following := self._waiting.get()) is None:
                    last = True
                    break
                batch.append(following)
            self._commit(batch)
            if last:
                return

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
            self._commit_apart([task for task in batch if not task[1].done()], error)
            return
        for future, result in done:
            future.set_result(result)

    def _commit_apart(self, batch: list[Task], error: Exception) -> None:
        """Find the job that broke the transaction: each once more, in one of its own."""
        if len(batch) == 1:
            batch[0][1].set_exception(error)
            return
        for task in batch:
            self._commit([task])
