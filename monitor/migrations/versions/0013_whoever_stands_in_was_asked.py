"""whoever stands in was asked: when they were asked to ring somebody about an incident, and said that they had

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this form. Whoever was asked before may answer too."""
    with op.batch_alter_table("incident") as incident:
        incident.add_column(sa.Column("asked_at", sa.DateTime(), nullable=True))
        incident.add_column(sa.Column("rung_at", sa.DateTime(), nullable=True))
    op.execute(
        "UPDATE incident SET asked_at = (SELECT MIN(made_at) FROM alert WHERE alert.incident_id = incident.id "
        "AND alert.template = 'ring' AND alert.role = 'operator')"
    )


def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("incident") as incident:
        incident.drop_column("rung_at")
        incident.drop_column("asked_at")
