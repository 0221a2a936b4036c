"""Progress of a long step as a bar in the Prefect UI; short steps show none, because every update is a request to the server."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import structlog
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from core import clock

FIRST_SECONDS = 10.0  # most calls are heard sooner than that
EVERY_SECONDS = 5.0

log = structlog.get_logger(__name__)


class ShownProgress:
    """Hands every fraction, 0 to 1, on to `tell`, which may raise to stop the step; now and then shows it."""

    def __init__(self, tell: Callable[[float], None], title: str) -> None:
        self._tell = tell
        self._title = title
        self._artifact: UUID | None = None
        self._next = clock.monotonic() + FIRST_SECONDS

    def __call__(self, fraction: float) -> None:
        self._tell(fraction)
        if clock.monotonic() < self._next and not (fraction >= 1 and self._artifact):
            return
        self._next = clock.monotonic() + EVERY_SECONDS
        try:
            self._show(round(100 * fraction, 1))
        except Exception:
            # A server that is busy or away must not spoil the work that it would have shown.
            log.warning("progress_not_shown", exc_info=True)

    def _show(self, percent: float) -> None:
        if self._artifact is None:
            self._artifact = create_progress_artifact(progress=percent, description=self._title)  # type: ignore[assignment]
        else:
            update_progress_artifact(artifact_id=self._artifact, progress=percent)
