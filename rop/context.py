"""What most commands begin with: the settings of a home folder and its database, brought up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from core import settings as settings_module
from core.settings import Settings
from db import migrate
from db.engine import Database

Home = Annotated[Path | None, typer.Option("--home", envvar="ROP_HOME", help="Folder of the installation; default: var.")]


@contextmanager
def opened(home: Path | None) -> Iterator[tuple[Settings, Database]]:
    """The settings and the migrated database of an installation."""
    settings = settings_module.load(home)
    settings.root.mkdir(parents=True, exist_ok=True)
    database = Database(settings.db_url)
    try:
        migrate.upgrade(database)
        yield settings, database
    finally:
        database.dispose()
