"""of which persons an incident speaks, and whose mailbox a person of the settings has

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this form. Who holds the roles of today is noted at the next start, from the settings."""
    with op.batch_alter_table("incident") as incident:
        incident.add_column(sa.Column("persons", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("standing") as standing:
        standing.add_column(sa.Column("mailbox", sa.String(length=64), nullable=False, server_default=""))


def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("standing") as standing:
        standing.drop_column("mailbox")
    with op.batch_alter_table("incident") as incident:
        incident.drop_column("persons")
