"""A bounded number of places at something that is dear, given in order of arrival; the standard semaphore promises no order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_SECONDS = 0.5  # between two looks at whether one who waits was told to stop


class Places:
    """`count` threads may be inside at once."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: deque[object] = deque()
        self._behind: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def one(self, check: Callable[[], None], *, behind: bool = False) -> Iterator[None]:
        """Take a place, waiting for it in order of arrival, or `behind` all others who wait.

        `check` is called while waiting, and may raise to leave the queue.
        """
        self._enter(check, self._behind if behind else self._queue)
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def _enter(self, check: Callable[[], None], queue: deque[object]) -> None:
        me = object()
        with self._changed:
            queue.append(me)
            try:
                while not (self._free and (self._queue or self._behind)[0] is me):
                    self._changed.wait(LOOK_SECONDS)
                    check()
                self._free -= 1
            finally:
                queue.remove(me)
                self._changed.notify_all()
