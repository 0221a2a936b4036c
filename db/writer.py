"""Group commit: what many threads write at the same moment becomes durable in one transaction.

A commit waits for the disk far longer than the statements before it take. One thread collects the jobs of all others, runs each in a
savepoint of its own and commits once; nobody hears of success before that commit.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from db.engine import Database

T = TypeVar("T")
Job = Callable[[Session], Any]
BATCH = 64  # jobs of one transaction: more only lengthen the wait of the first


class Writer:
    """Runs short write jobs. A job that fails takes nothing with it; a commit that fails fails all of its jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: queue.SimpleQueue[tuple[Job, Future[Any]] | None] = queue.SimpleQueue()
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

    def _commit(self, batch: list[tuple[Job, Future[Any]]]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            with self._database.begin() as session:
                for job, future in batch:
                    try:
                        with session.begin_nested():
                            done.append((future, job(session)))
                    except Exception as error:  # noqa: BLE001  it is the caller's, who gets it
                        future.set_exception(error)
        except Exception as error:  # noqa: BLE001  the commit failed: so did every job of it
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for future, result in done:
            future.set_result(result)
