"""whom an incident is handed back to

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this form.

    The column is added in place: a copied table would take the log of every incident with it.
    """
    op.add_column("incident", sa.Column("cleared_of", sa.JSON(), server_default=sa.text("'[]'"), nullable=False))
    if op.get_context().dialect.name != "sqlite":
        op.alter_column("incident", "cleared_of", server_default=None)
