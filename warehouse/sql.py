"""The `.sql` files of the warehouse."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent


@cache
def read(name: str) -> str:
    """The text of one file, named from the folder of the warehouse."""
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def folder(name: str) -> tuple[str, ...]:
    """The texts of a folder's files in order of their names."""
    return tuple(read(f"{name}/{path.name}") for path in sorted((ROOT / name).glob("*.sql")))


@cache
def fingerprint(name: str) -> str:
    """A hash that changes with any file of the folder."""
    return hashlib.sha256("\0".join(folder(name)).encode()).hexdigest()[:12]


def quoted(identifier: str) -> str:
    """An SQL identifier that may hold any characters."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string that may hold any characters."""
    return "'" + text.replace("'", "''") + "'"
