"""Where the warehouse lives: one file for one machine, or a lake for many hosts. The SQL is the same."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from typing import ClassVar, Protocol

import duckdb

from core import ids
from core.errors import NotFound
from core.settings import Settings

Connection = duckdb.DuckDBPyConnection

# Extensions come with the packages or not at all: nothing is fetched from the network.
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_persistent_secrets": "false",
}


class NotPublished(NotFound):
    """Nothing was published yet."""

    code = "warehouse_empty"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Витрина ещё не опубликована: дождитесь первой загрузки.",
        "en": "The warehouse is not published yet: wait for the first load.",
    }


class Store(Protocol):
    """One back end. Every connection has the warehouse as its default catalog."""

    def writer(self) -> Connection:
        """The loader's connection; raises `Unavailable` while it cannot be had."""

    def reader(self, *, external: bool) -> Connection:
        """A read-only connection; `external` lets its SQL touch other files. Raises `NotPublished`."""

    def anew(self) -> AbstractContextManager[Connection]:
        """A writer on an empty warehouse that replaces the present one at the end of the block, or not at all."""


def instance(settings: Settings) -> Connection:
    """A DuckDB without a file, which spills what exceeds memory below the home; whoever may not write there has memory alone.

    It does so in a folder of its own: spilled files have the same names everywhere, and two instances would write into each other's.
    """
    spill = settings.warehouse_dir / "spill"
    with suppress(OSError):
        spill.mkdir(parents=True, exist_ok=True)  # DuckDB makes the last folder alone, once it spills, and removes it at its end
    return duckdb.connect(config={**OFFLINE, "temp_directory": str(spill / ids.token(8))})


def of(settings: Settings) -> Store:
    """The back end that the settings choose."""
    if settings.lake_catalog is not None:
        from warehouse.lake import Lake

        return Lake(settings)
    from warehouse.embedded import Embedded

    return Embedded(settings)
