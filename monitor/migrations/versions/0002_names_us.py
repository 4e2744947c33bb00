"""A mention remembers whether the platform itself said that it is to us or about us.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this form. What was heard before is read as before: by its words."""
    op.add_column("mention", sa.Column("names_us", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    """Bring them back to the form before."""
    op.drop_column("mention", "names_us")
