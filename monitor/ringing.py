"""Phones: when they may ring, and what follows when one took nothing. The log says so, and the operator hears of it
when it lasts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, false, select
from sqlalchemy.orm import Session

from alerts.model import DeliveryFailed, MailKind, Severity
from monitor.escalation import phones_ring_at
from monitor.outbox import ROLE_WORDS, Desk, note
from monitor.store.tables import AlertRow

LASTS = 10
"""Tries after which a phone's silence is no passing one: by then some eight minutes."""


def may_leave(session: Session, desk: Desk, row: AlertRow, now: datetime) -> bool:
    """Whether this ring may leave now. If not it waits for the morning (policy 6.4), or falls away with its phone."""
    until = phones_ring_at(now, Severity(row.severity), desk.policy)
    if until > now:
        row.retry_at = until
    elif not phones(session, desk, row):
        row.superseded_at = now
    else:
        return True
    return False


def phones(session: Session, desk: Desk, row: AlertRow) -> tuple[str, ...]:
    """The addresses that a ring goes to: its phone, or where that has left the settings those that came instead."""
    person = desk.person(session, row.role)
    known = desk.phones_of(person) if person is not None else {}
    number = str(row.facts.get("phone") or "")
    if number in known:
        return (known[number],)
    rung = session.scalars(
        select(AlertRow).where(
            AlertRow.channel == "phone", AlertRow.incident_id == row.incident_id, AlertRow.role == row.role,
            AlertRow.revision == row.revision, AlertRow.template == row.template, AlertRow.id != row.id,
        )
    )  # fmt: skip
    elsewhere = {other.facts.get("phone") for other in rung if row.incident_id}
    return tuple(url for mark, url in known.items() if mark not in elsewhere)


def is_held(desk: Desk, now: datetime) -> ColumnElement[bool]:
    """Rings that wait for the morning. They wait on purpose, so nothing is wrong with them."""
    if phones_ring_at(now, Severity.ALERT, desk.policy) <= now:
        return false()
    return (AlertRow.channel == "phone") & (AlertRow.severity < int(Severity.CRISIS))


def failed(session: Session, desk: Desk, row: AlertRow, failure: DeliveryFailed, now: datetime) -> None:
    """Note in the incident's log that a phone did not ring, and tell the operator when it lasts. Once a day a phone."""
    if row.attempts == 1 and row.incident_id:
        then = "" if failure.permanent else " It is tried again."
        whose = f"{row.name} ({ROLE_WORDS.get(row.role, row.role)})"
        note(session, row.incident_id, now, "Earshot", f"{whose} was not rung: {failure.why}{then}")
    if failure.permanent or row.attempts == LASTS:
        facts = {"role": row.role, "name": row.name, "why": failure.why}
        key = f"{row.role}:{row.facts.get('phone', '')}:{now:%Y-%m-%d}"
        desk.owe_to_operator(session, "phone_silent", MailKind.DEAF, now, key=key, facts=facts)
