"""DuckDB extensions from their packages: loaded by path, so that nothing is fetched or installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import ClassVar

import duckdb

from core.errors import NotFound
from warehouse import sql

Connection = duckdb.DuckDBPyConnection


class ExtensionMissing(NotFound):
    """The packages of the extra `lake` are not installed."""

    code = "extension_missing"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Не установлено расширение DuckDB {name}: pip install digital-rop[lake].",
        "en": "The DuckDB extension {name} is not installed: pip install digital-rop[lake].",
    }


def load(connection: Connection, *names: str) -> None:
    """Load these extensions; raises `ExtensionMissing`."""
    for name in names:
        connection.execute(f"LOAD {sql.literal(str(_file(name)))}")


def _file(name: str) -> Path:
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    if found is None or found.origin is None:
        raise ExtensionMissing(name=name)
    return Path(found.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
