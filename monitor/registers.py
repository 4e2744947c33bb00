"""Who must be told of a severe incident: told, decided not to because ..., or not yet decided (policy and law, R-C1,
R-C2: not reporting must be explainable).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.model import Severity
from monitor.actions import Actor, NotAllowed, incident_row, own_words
from monitor.outbox import note
from monitor.store.tables import IncidentRow, RegisterRow
from monitor.terms import MINIMISED
from monitor.visibility import Deed

BODIES: Mapping[str, str] = {
    "police": "the police",
    "children": "children's services (LADO)",
    "commission": "the Charity Commission",
    "ico": "the ICO (within 72 hours where personal data leaked)",
    "insurer": "the insurer",
    "funders": "the funders",
}
"""Who may have to be told, in the order of urgency."""

ANSWERS: Mapping[str, str] = {"told": "told", "not": "decided not to tell", "undecided": "not yet decided"}

AGAIN_AFTER = timedelta(hours=24)
"""After this long the answers are asked for again."""


def needed(row: IncidentRow | None) -> bool:
    """Whether an incident is so severe that the registers must be answered before it is closed."""
    return row is not None and not row.drill and (row.severity >= int(Severity.CRISIS) or row.category in MINIMISED)


def answers(session: Session, incident_id: str) -> dict[str, RegisterRow]:
    """The newest answer for each body that has one."""
    rows = session.scalars(select(RegisterRow).where(RegisterRow.incident_id == incident_id).order_by(RegisterRow.id))
    return {row.body: row for row in rows}


def undecided(session: Session, incident_id: str) -> tuple[str, ...]:
    """The bodies about which nothing was decided yet."""
    known = answers(session, incident_id)
    return tuple(body for body in BODIES if body not in known or known[body].answer == "undecided")


def is_due_again(row: IncidentRow, known: Mapping[str, RegisterRow], now: datetime) -> bool:
    """Whether a day has passed and no answer was given or confirmed since."""
    since = row.opened_at + AGAIN_AFTER
    return now >= since and not all(body in known and known[body].at >= since for body in BODIES)


def answer(session: Session, incident_id: str, body: str, given: str, reason: str, actor: Actor, now: datetime) -> None:
    """Write an answer down. Raises ``NotAllowed`` for one that says nothing, and for whoever may not give one."""
    words = own_words(reason)
    incident_row(session, incident_id, actor, Deed.REGISTER)
    if body not in BODIES or given not in ANSWERS:
        raise NotAllowed("Choose who it is about, and one of the three answers.")
    if given == "not" and not words:
        raise NotAllowed(f"Say why {BODIES[body]} is not told: the trustees must be able to explain it.")
    session.add(RegisterRow(incident_id=incident_id, body=body, answer=given, reason=words, who=str(actor), at=now))
    of = f"{BODIES[body][:1].upper()}{BODIES[body][1:]}"
    because = f": {words}" if words else ""
    note(
        session,
        incident_id,
        now,
        str(actor),
        f"{of}: {ANSWERS[given]}{because}",
        for_keepers=True,
    )


def must_be_answered(session: Session, row: IncidentRow) -> None:
    """Raises ``NotAllowed`` when a severe incident is to be closed with the registers empty."""
    if not needed(row):
        return
    left = undecided(session, row.id)
    if left:
        names = ", ".join(BODIES[body] for body in left)
        raise NotAllowed(f"Before it is closed, decide whether to tell: {names}. Answer each on its page.")
