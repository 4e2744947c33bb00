"""owed until taken: how tries of a letter ended, and when somebody was first reached about an incident

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_OWED_FOR = timedelta(days=5)
_KEPT = timedelta(days=89)
"""Delivered alerts are forgotten after 90 days: an older incident has nothing left to show that somebody was told."""


def upgrade() -> None:
    """Bring the tables to this form. What was given up at a first refusal is owed once more."""
    with op.batch_alter_table("alert") as alert:
        alert.add_column(sa.Column("outcome", sa.String(length=20), nullable=False, server_default=""))
        alert.add_column(sa.Column("tried_at", sa.DateTime(), nullable=True))
        alert.add_column(sa.Column("failed_at", sa.DateTime(), nullable=True))
        alert.add_column(sa.Column("unreached_at", sa.DateTime(), nullable=True))
    with op.batch_alter_table("incident") as incident:
        incident.add_column(sa.Column("reached_at", sa.DateTime(), nullable=True))
    with op.batch_alter_table("person") as person:
        person.add_column(sa.Column("refused_address", sa.Text(), nullable=False, server_default=""))
    _carry_over(datetime.now(UTC).replace(tzinfo=None))


def _carry_over(now: datetime) -> None:
    _run("UPDATE incident SET reached_at = (SELECT MIN(delivered_at) FROM alert WHERE alert.incident_id = incident.id)")
    _run(
        "UPDATE incident SET reached_at = opened_at WHERE reached_at IS NULL AND opened_at < :before",
        before=now - _KEPT,
    )
    _run(
        "UPDATE alert SET refused_at = NULL, retry_at = :now WHERE refused_at IS NOT NULL AND made_at > :since "
        "AND delivered_at IS NULL AND superseded_at IS NULL AND "
        "(incident_id IS NULL OR incident_id IN (SELECT id FROM incident WHERE state = 'open'))",
        now=now,
        since=now - _OWED_FOR,
    )
    _run("UPDATE person SET refused_at = NULL")  # any 5xx was called a dead address


def _run(words: str, **moments: datetime) -> None:
    typed = [sa.bindparam(name, moment, type_=sa.DateTime()) for name, moment in moments.items()]
    op.get_bind().execute(sa.text(words).bindparams(*typed))


def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("person") as person:
        person.drop_column("refused_address")
    with op.batch_alter_table("incident") as incident:
        incident.drop_column("reached_at")
    with op.batch_alter_table("alert") as alert:
        for name in ("unreached_at", "failed_at", "tried_at", "outcome"):
            alert.drop_column(name)
