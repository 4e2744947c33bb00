"""lines of the log that are not for everybody

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

LINES = (
    "%Takeover begun:%",
    "%Takeover ended:%",
    "%roposed takeover:%",
    "DRILL: takeover %",
    "The police: %",
    "Children's services (LADO): %",
    "The Charity Commission: %",
    "The ICO (within 72 hours where personal data leaked): %",
    "The insurer: %",
    "The funders: %",
)
"""How lines with a takeover's reason, or with the answer of a register, begin so far."""


def upgrade() -> None:
    """Bring the tables to this form."""
    op.add_column("incident_log", sa.Column("for_keepers", sa.Boolean(), server_default=sa.false(), nullable=False))
    log = sa.table("incident_log", sa.column("what", sa.Text()), sa.column("for_keepers", sa.Boolean()))
    op.execute(log.update().where(sa.or_(*(log.c.what.like(line) for line in LINES))).values(for_keepers=True))
    if op.get_context().dialect.name != "sqlite":
        op.alter_column("incident_log", "for_keepers", server_default=None)
