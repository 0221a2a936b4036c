"""What finished steps left in Prefect's storage on this host: a rerun of a call goes on after them, and they hold its quotes."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from core.settings import Settings


def folder(settings: Settings) -> Path:
    """Where Prefect keeps them: every process has `PREFECT_HOME` in its home."""
    return settings.root / "prefect" / "storage"


def remove(settings: Settings, storage_key: str) -> None:
    """Delete one by the key that Prefect knows; the name alone counts, because what another server says must not lead elsewhere."""
    (folder(settings) / Path(storage_key).name).unlink(missing_ok=True)


def expire(settings: Settings, before: datetime) -> int:
    """Delete those that were written before `before`; how many. Prefect itself keeps them for ever."""
    if not folder(settings).is_dir():
        return 0
    return sum(_expired(file, before) for file in folder(settings).iterdir())


def _expired(file: Path, before: datetime) -> bool:
    with suppress(OSError):  # gone, or not ours: the next look is within the hour
        if file.is_file() and file.stat().st_mtime < before.timestamp():
            file.unlink()
            return True
    return False
