"""Runs migrations on the connection that ``monitor.store.migrate`` hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from monitor.store.tables import Base, UtcDateTime


def _render(kind: str, item: object, autogen_context: Any) -> str | Literal[False]:
    """Migrations stand on SQLAlchemy alone: our own type is written as what the database sees."""
    del autogen_context
    return "sa.DateTime()" if kind == "type" and isinstance(item, UtcDateTime) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
