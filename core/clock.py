"""The only source of time, so that tests can move it (time-machine moves both)."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds that never go back, for durations and deadlines within one process."""
    return time.monotonic()
