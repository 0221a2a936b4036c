"""Writes a migration for what changed in db/models.py: `python scripts/make_migration.py 0002 "what changed"`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command

from db import migrate
from db.engine import Database


def main(number: str, message: str) -> None:
    config = migrate.config()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'scratch.sqlite'}")
        if list((migrate.MIGRATIONS / "versions").glob("*.py")):
            migrate.upgrade(database)
        with database.begin() as session:
            config.attributes["connection"] = session.connection()
            command.revision(config, message, autogenerate=True, rev_id=number)
        database.dispose()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
