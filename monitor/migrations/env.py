"""Runs migrations on the connection that ``monitor.store.migrate`` hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from monitor.store.tables import Base, UtcDateTime


def _render(kind: str, item: object, autogen_context: Any) -> str | Literal[False]:
    """Migrations stand on SQLAlchemy alone: our own type is written as what the database sees."""
    del autogen_context
    return "sa.DateTime()" if kind == "type" and isinstance(item, UtcDateTime) else False


def _is_ours(item: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
    """Whether drafting a migration should look at it. The tables of the full-text search belong to
    ``monitor.store.search`` and stand in no declaration; a drafted migration would drop them."""
    del item, kind, reflected, other
    return not (name or "").startswith(("mention_search", "ix_mention_words"))


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=_render,
    include_object=_is_ours,
)
with context.begin_transaction():
    context.run_migrations()
