"""Learning from the people here: what was "not a problem", what "should have told me", and what follows from it.

Precision and misses are *as measured in this organisation*. Proposals are only proposals: a person accepts them, and a
floor under the severe categories cannot be tuned away.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.model import Severity
from monitor.store.tables import FeedbackRow, IncidentRow

CALM = "not a problem"
MISSED = "should have told me"


def weekly_lines(session: Session, since: datetime, until: datetime) -> tuple[str, ...]:
    """How often alerts were right and what was missed between two moments, in words for the digest."""
    told = (
        session.scalar(
            select(func.count())
            .select_from(IncidentRow)
            .where(
                IncidentRow.opened_at > since,
                IncidentRow.opened_at <= until,
                IncidentRow.severity >= int(Severity.ALERT),
                IncidentRow.history.is_(False),
                IncidentRow.drill.is_(False),
            )
        )
        or 0
    )
    verdicts = Counter(
        session.scalars(select(FeedbackRow.verdict).where(FeedbackRow.at > since, FeedbackRow.at <= until))
    )
    lines = []
    if told:
        lines.append(f"{told} incidents were told; people called {verdicts[CALM]} of them no problem.")
    if verdicts[MISSED]:
        lines.append(f"{verdicts[MISSED]} times somebody said that Earshot should have told them.")
    return tuple(lines)
