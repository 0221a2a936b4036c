"""What killed processes left beside the warehouse, with whole conversations in it: unfinished files and spilled memory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from core import clock
from core.settings import Settings

IDLE_SECONDS = 86400.0  # no rebuild, publication, export or query that is still going on has written nothing for so long
UNFINISHED = ("warehouse/*.new*", "warehouse/*.part", "exports/**/*.part")
SPILLED = ("warehouse/spill/*/*", "warehouse/*.tmp/*")


def sweep(settings: Settings) -> int:
    """Delete the files that nobody has written to for a day; how many. Folders stay: an idle connection spills into its own again."""
    before = clock.now().timestamp() - IDLE_SECONDS
    return sum(_delete(path, before) for pattern in (*UNFINISHED, *SPILLED) for path in settings.root.glob(pattern))


def _delete(path: Path, before: float) -> bool:
    with suppress(FileNotFoundError):  # its own process has ended it
        if path.is_file() and path.stat().st_mtime < before:
            path.unlink()
            return True
    return False
