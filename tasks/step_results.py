"""What finished steps left in Prefect's storage: a rerun of a call goes on after them, and they hold its quotes.

They lie beside the recordings where hosts share those: a rerun on another host must not pay the language model again.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import PurePosixPath

from core.settings import Settings
from core.storage import Storage


def url(settings: Settings) -> str:
    """The fsspec URL, or the local folder: below the shared recordings, or in this home, where every process has its `PREFECT_HOME`."""
    if settings.storage_url is None:
        return str(settings.root / "prefect" / "storage")
    return f"{settings.storage_url.removeprefix('file://').rstrip('/')}/steps"


def remove(settings: Settings, storage_key: str) -> None:
    """Delete one by the key that Prefect knows; the name alone counts, because what another server says must not lead elsewhere."""
    with suppress(ValueError):  # not the name of a file of ours
        Storage(settings, url(settings)).delete(PurePosixPath(storage_key).name)


def expire(settings: Settings, before: datetime) -> int:
    """Delete those that were written before `before`; how many. Prefect itself keeps them for ever."""
    storage = Storage(settings, url(settings))
    old = [entry for entry in storage.entries() if entry.modified < before]
    for entry in old:
        storage.drop(entry)
    return len(old)
