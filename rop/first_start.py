"""What an empty installation gets so that the first call can be judged at once."""

from __future__ import annotations

from checklists import loader
from core import clock
from db import definitions
from db.engine import Database


def apply_builtin(database: Database) -> None:
    """Apply the first-start definitions that were never applied; what a person changed since is left alone."""
    with database.begin() as session:
        for definition in loader.builtin():
            kind = definitions.kind_of(definition)
            if definition.id in loader.FIRST_START and not definitions.exists(session, kind, definition.id):
                definitions.apply(session, definition, "rop", clock.now())
