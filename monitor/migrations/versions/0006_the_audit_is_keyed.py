"""The audit chain is keyed with the install key, and a row may stand for a line of the takeover ledger.

The rows are chained anew at the next start, which has the key (``monitor.audit.key_chain``).

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this form."""
    op.add_column("audit", sa.Column("proof", sa.String(length=64), server_default="", nullable=False))
    op.add_column("audit_head", sa.Column("keyed", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    """Bring them back to the form before."""
    op.drop_column("audit_head", "keyed")
    op.drop_column("audit", "proof")
