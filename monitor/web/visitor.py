"""Who is visiting: server-side sessions, revocable at once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import g
from sqlalchemy import update
from sqlalchemy.orm import Session

from alerts.model import Recipient
from monitor import people
from monitor.actions import Actor
from monitor.store.tables import SessionRow
from monitor.web.house import House, house_of

IDLE = timedelta(hours=12)
"""A session ends this long after the last change made in it (reliability notes, 3.1). Looking changes nothing."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who has signed in."""

    role: str
    name: str
    mark: str
    session_id: str

    @property
    def actor(self) -> Actor:
        """As the decision log knows them."""
        return Actor(self.role, self.name)

    @property
    def decides(self) -> bool:
        """Whether this person acknowledges, closes and begins takeover (policy 4.16, 6.4)."""
        return self.role in {"ceo", "chair"}


def visitor() -> Visitor:
    """The person who has signed in; only for routes that are not open to everybody."""
    found: Visitor = g.visitor
    return found


def session_id_of(house: House, token: str) -> str:
    """What the database keeps of a session's secret: a keyed hash."""
    return house.app.keys.digest("session", token)


def open_session(session: Session, house: House, person: Recipient, now: datetime) -> str:
    """A new session for a person; returns the secret for the cookie."""
    token = secrets.token_urlsafe(32)
    mark = house.person_mark(person)
    session.add(
        SessionRow(
            id=session_id_of(house, token),
            role=person.role,
            person=mark,
            epoch=people.epoch_of(session, mark),
            opened_at=now,
            until=now + IDLE,
        )
    )
    return token


def read_visitor(token: str) -> Visitor | None:
    """The person behind a cookie, while the session lasts and they stand in the settings."""
    if len(token) < 20:
        return None
    house = house_of()
    number = session_id_of(house, token)
    with house.app.database.read() as session:
        row = session.get(SessionRow, number)
        if row is None or row.epoch != people.epoch_of(session, row.person):
            return None
    if row.ended_at is not None or row.until <= house.now:
        return None
    person = house.person_of(row.person)
    return None if person is None else Visitor(person.role, person.name, row.person, number)


def lengthen(session: Session, session_id: str, now: datetime) -> None:
    """A change was made: the session lasts ``IDLE`` from now."""
    session.execute(
        update(SessionRow).where(SessionRow.id == session_id, SessionRow.ended_at.is_(None)).values(until=now + IDLE)
    )


def end_session(session: Session, session_id: str, now: datetime) -> None:
    """Sign out."""
    session.execute(
        update(SessionRow).where(SessionRow.id == session_id, SessionRow.ended_at.is_(None)).values(ended_at=now)
    )
