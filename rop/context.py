"""What most commands begin with: the settings of a home folder and its database, brought up to date."""

from __future__ import annotations

import json
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


def running(settings: Settings) -> Settings:
    """The settings with the address of the Prefect that a stack of this home runs, if one does."""
    file = settings.root / "stack.json"
    if not file.exists():
        return settings
    stack = json.loads(file.read_text(encoding="utf-8"))
    return settings.model_copy(update={"prefect_api_url": f"{stack['prefect_url']}/api"})


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
