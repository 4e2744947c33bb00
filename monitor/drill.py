"""A rehearsal: an invented incident through the whole chain to the real mailboxes, everything marked DRILL. It never
touches the state of takeover, and real alerts pass meanwhile (policy and law, 4.21).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.model import Severity
from monitor import audit
from monitor.actions import Actor, NotAllowed
from monitor.clock import say_duration
from monitor.intake import incident_of, new_incident_id
from monitor.model import IncidentState
from monitor.outbox import Desk, note
from monitor.store.tables import AlertRow, IncidentRow, LogRow

STORY = (
    "This is a drill. Imagine: a post says that donations were kept by staff. It is false, it was shared 300 times "
    "within the hour, and a journalist asks about it. Do what you would do."
)


WOULD_BEGIN = "DRILL: takeover would have begun"
"""How the log of a drill says that somebody went all the way to takeover."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a drill showed: each line a step and how long it took."""

    incident: str
    began_at: datetime
    state: str
    steps: tuple[tuple[str, str], ...]


def begin(session: Session, desk: Desk, actor: Actor, now: datetime) -> IncidentRow:
    """Open the invented incident and owe its alerts. Raises ``NotAllowed`` while another drill is open."""
    if open_drill(session) is not None:
        raise NotAllowed("A drill is under way already. Close it first.")
    row = IncidentRow(
        id=new_incident_id(),
        category=None,
        severity=int(Severity.CRISIS),
        state=IncidentState.OPEN.value,
        opened_at=now,
        last_seen_at=now,
        mentions=1,
        told=1,
        source="drill",
        summary=STORY,
        drill=True,
    )
    session.add(row)
    session.flush()
    note(session, row.id, now, str(actor), "DRILL begun.")
    audit.record(session, actor=str(actor), action="drill begun", now=now, about=row.id)
    desk.advance(session, row, incident_of(row), now)
    return row


def open_drill(session: Session) -> IncidentRow | None:
    """The drill that is under way, or None."""
    return session.scalar(
        select(IncidentRow)
        .where(IncidentRow.drill.is_(True), IncidentRow.state != IncidentState.CLOSED.value)
        .order_by(IncidentRow.opened_at.desc())
        .limit(1)
    )


def past(session: Session, limit: int = 12) -> list[Measured]:
    """The newest drills with what was measured."""
    rows = session.scalars(
        select(IncidentRow).where(IncidentRow.drill.is_(True)).order_by(IncidentRow.opened_at.desc()).limit(limit)
    )
    return [measured(session, row) for row in rows]


def measured(session: Session, row: IncidentRow) -> Measured:
    """How long each step took, counted from the beginning."""
    steps: list[tuple[str, str]] = []
    alerts = session.scalars(
        select(AlertRow).where(AlertRow.incident_id == row.id).order_by(AlertRow.made_at, AlertRow.id)
    )
    for alert in alerts:
        what = f"{alert.name}: {'phone' if alert.channel == 'phone' else 'mail'}"
        if alert.delivered_at is not None:
            steps.append((what, f"delivered after {say_duration(alert.delivered_at - row.opened_at)}"))
        elif alert.superseded_at is not None:
            steps.append((what, "not needed any more"))
        else:
            steps.append((what, f"not delivered{': ' + alert.last_error if alert.last_error else ' yet'}"))
    if row.acknowledged_at is not None:
        after = say_duration(row.acknowledged_at - row.opened_at)
        steps.append((f"Acknowledged by {row.acknowledged_by}", f"after {after}"))
    else:
        steps.append(("Acknowledged", "by nobody" if row.state == IncidentState.CLOSED.value else "not yet"))
    begun = session.scalar(
        select(LogRow)
        .where(LogRow.incident_id == row.id, LogRow.what.startswith(WOULD_BEGIN))
        .order_by(LogRow.id)
        .limit(1)
    )
    if begun is not None:
        steps.append((f"Takeover by {begun.who}", f"would have begun after {say_duration(begun.at - row.opened_at)}"))
    return Measured(row.id, row.opened_at, row.state, tuple(steps))
