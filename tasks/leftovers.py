"""What a worker leaves in its own home: results of finished steps, parts of given-up downloads, copies that a kill has left.

With the recordings elsewhere nobody but the worker itself sees them: retention runs on one host.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from core import clock
from core.settings import Settings
from core.storage import COPIES, PARTS, work_folder
from tasks.step_results import StepResults


def tidy(settings: Settings) -> None:
    """Delete what is older than the settings allow."""
    own = work_folder(settings)
    delete_parts((own / PARTS).glob("*.part"), _ago(settings.leftover_seconds))
    # No transcription reads its copy for longer: what hangs beyond that ends with its worker.
    longest = settings.transcribe_seconds + settings.hang_seconds
    _delete_copies((own / COPIES).glob("*"), _ago(max(settings.leftover_seconds, longest)))
    StepResults(settings).expire(_ago(settings.result_keep_seconds))  # perhaps in a storage that is away, so last


def delete_parts(parts: Iterable[Path], before: datetime) -> int:
    """Delete the parts of downloads that were last written before `before` and that nobody writes now; how many."""
    return sum(_delete_part(part, before) for part in parts)


def _ago(seconds: float) -> datetime:
    return clock.now() - timedelta(seconds=seconds)


def _delete_part(part: Path, before: datetime) -> bool:
    """Delete the part of a download unless it is young or somebody writes it; harmless when it is gone already."""
    try:
        with part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if part.stat().st_mtime >= before.timestamp():
                return False
            part.unlink()
    except (FileNotFoundError, BlockingIOError):
        return False
    part.with_suffix(".json").unlink(missing_ok=True)
    return True


def _delete_copies(folders: Iterable[Path], before: datetime) -> None:
    for folder in folders:
        with suppress(OSError):  # its own process may be about to end it; the next look is within the hour
            if folder.stat().st_mtime < before.timestamp():
                shutil.rmtree(folder)
