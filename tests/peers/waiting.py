"""Waiting for what other threads and processes do, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(ask: Callable[[], T | None], seconds: float = 30.0, why: Callable[[], str] = lambda: "") -> T:
    """The first true answer; an `AssertionError` that says `why` when none comes within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)
    return answer
