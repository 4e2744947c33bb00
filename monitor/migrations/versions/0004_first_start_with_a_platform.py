"""A platform remembers the first start with it in the settings: what was said before that is history.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this form. For one that never answered, the first failure is the earliest known."""
    op.add_column("platform", sa.Column("begun_at", sa.DateTime(), nullable=True))
    op.execute("UPDATE platform SET begun_at = COALESCE(first_poll_at, failing_since)")


def downgrade() -> None:
    """Bring them back to the form before."""
    op.drop_column("platform", "begun_at")
