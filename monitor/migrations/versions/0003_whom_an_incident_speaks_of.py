"""whom an incident speaks of

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this form.

    Columns are added and dropped in place: a copied table would be dropped under the rows that refer to it, and take
    the log of every incident with it.
    """
    for name in ("spoken_of", "perhaps_of"):
        op.add_column("incident", sa.Column(name, sa.JSON(), server_default=sa.text("'[]'"), nullable=False))
    op.execute(sa.text("""UPDATE incident SET spoken_of = '["ceo"]' WHERE names_ceo"""))
    op.drop_column("incident", "names_ceo")
    if op.get_context().dialect.name != "sqlite":
        for name in ("spoken_of", "perhaps_of"):
            op.alter_column("incident", name, server_default=None)
