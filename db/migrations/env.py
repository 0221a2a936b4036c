"""Runs migrations on the connection that `db.migrate` hands in."""

from typing import Any, Literal

from alembic import context

from db.models import Base, UtcDateTime


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our own column types as plain ones: a migration must not change when the models do."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def include_name(name: str | None, _kind: str, _parents: Any) -> bool:
    """The search index is made by `db.search`, beside the migrations."""
    return not (name or "").startswith("search_")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=render_item,
    include_name=include_name,
)
with context.begin_transaction():
    context.run_migrations()
