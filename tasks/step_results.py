"""What finished steps left in Prefect's storage: a rerun of a call goes on after them, and they hold its quotes.

They lie beside the recordings where hosts share those: a rerun on another host must not pay the language model again.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from functools import cached_property

from core import ids
from core.settings import Settings
from core.storage import Entry, Storage


def url(settings: Settings) -> str:
    """The fsspec URL, or the local folder: below the shared recordings, or in this home, where every process has its `PREFECT_HOME`."""
    if settings.storage_url is None:
        return str(settings.root / "prefect" / "storage")
    return f"{settings.storage_url.removeprefix('file://').rstrip('/')}/steps"


def beginning(call_id: str) -> str:
    """What the name of every result of the call's steps begins with, up to the next underscore."""
    return ids.stable_id("step", call_id)


class StepResults:
    """All that there are, by one look when the first of them is asked for."""

    def __init__(self, settings: Settings) -> None:
        self._storage = Storage(settings, url(settings))

    def forget(self, call_id: str, before: datetime | None = None) -> None:
        """Delete those of the call, or those of them that were written before `before`."""
        for entry in self._by_call.get(beginning(call_id), ()):
            if before is None or entry.modified < before:
                self._storage.drop(entry)

    def expire(self, before: datetime) -> None:
        """Delete those that were written before `before`. Prefect itself keeps them for ever."""
        for entry in self._storage.entries():
            if entry.modified < before:
                self._storage.drop(entry)

    @cached_property
    def _by_call(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self._storage.entries():
            found[entry.name.rpartition("_")[0]].append(entry)
        return found
