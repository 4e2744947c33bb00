"""A mark remembers which shipped examples its posts lay nearest to: that outlives their words.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this form."""
    op.add_column("feedback", sa.Column("examples", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    """Bring them back to the form before."""
    op.drop_column("feedback", "examples")
