"""A small house with an evening's trouble in it, for tests of mails: rows as the daemon would have written them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from makers import NOW, ORGANISATION
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from alerts.model import MailKind, Recipient, Severity
from alerts.testing import CEO, CHAIR, OPERATOR, SETTINGS
from monitor.cards import load_cards
from monitor.keys import Keys
from monitor.links import Links
from monitor.notices import House
from monitor.store.tables import AlertRow, Base, IncidentRow, MentionRow, PlatformRow
from monitor.terms import load_terms

KEYS = Keys(b"k" * 32)
PUBLIC_URL = "https://earshot.tessellateuk.example"
ZONE = ZoneInfo("Europe/London")


def a_house(*, public_url: str = PUBLIC_URL, **changes: Any) -> House:
    """A house at ``NOW`` whose links can be read with ``KEYS``."""
    values: dict[str, Any] = {
        "organisation": ORGANISATION,
        "zone": ZONE,
        "terms": load_terms(),
        "links": Links(KEYS, public_url),
        "keys": KEYS,
        "cards": load_cards(),
        "people": {"ceo": CEO, "chair": CHAIR, "operator": OPERATOR},
        "sender": SETTINGS.sender,
        "now": NOW,
    }
    return House(**{**values, **changes})


@contextmanager
def a_store() -> Iterator[Session]:
    """An empty store in memory, with two platforms heard and one deaf."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for name in ("facebook", "x"):
            session.add(_platform(name, heard_at=NOW, heard_until=NOW - timedelta(minutes=2)))
        session.add(
            _platform(
                "instagram",
                failing_since=NOW - timedelta(hours=5),
                heard_until=NOW - timedelta(hours=5),
                error="The token was refused.",
                never_shows=["posts that neither tag us nor stand on our account"],
            )
        )
        session.flush()
        yield session
    engine.dispose()


def _platform(name: str, **values: Any) -> PlatformRow:
    return PlatformRow(name=name, due_at=NOW, in_use=True, faults=[], **{"never_shows": [], **values})


def an_incident_row(session: Session, **changes: Any) -> IncidentRow:
    """A complaint on Facebook, opened a minute ago, unless told otherwise."""
    values: dict[str, Any] = {
        "id": "kd7mrwqz",
        "category": "complaint",
        "severity": int(Severity.ALERT),
        "state": "open",
        "opened_at": NOW - timedelta(minutes=1),
        "last_seen_at": NOW - timedelta(minutes=2),
        "platforms": ["facebook"],
        "mentions": 1,
    }
    row = IncidentRow(**{**values, **changes})
    session.add(row)
    session.flush()
    return row


def a_mention_row(session: Session, text: str | None = "You lost my forms again.", **changes: Any) -> MentionRow:
    """A comment on Facebook in the incident of ``an_incident_row``, heard 40 seconds after it was posted."""
    posted_at = changes.pop("posted_at", NOW - timedelta(minutes=2))
    values: dict[str, Any] = {
        "platform": "facebook",
        "external_id": "1001_2002",
        "kind": "comment",
        "text": text,
        "url": "https://www.facebook.com/1001/posts/2002",
        "author_name": "Sam Example",
        "author_handle": "sam_example",
        "posted_at": posted_at,
        "first_seen_at": posted_at + timedelta(seconds=40),
        "verified_at": posted_at + timedelta(seconds=40),
        "severity": int(Severity.ALERT),
        "categories": ["complaint"],
        "signals": [
            {
                "rule": "complaint-service",
                "category": "complaint",
                "clause": "6.4",
                "words": "lost my forms again",
                "sentence": "Somebody complains about how we work.",
                "weight": 2.0,
            }
        ],
        "incident_id": "kd7mrwqz",
        "likes": 12,
        "shares": 3,
    }
    row = MentionRow(**{**values, **changes})
    session.add(row)
    session.flush()
    return row


def an_alert_row(
    session: Session,
    template: str = "alert",
    kind: MailKind = MailKind.ALERT,
    recipient: Recipient = CEO,
    **changes: Any,
) -> AlertRow:
    """A row of the outbox, owed to the CEO at ``NOW``, unless told otherwise."""
    values: dict[str, Any] = {
        "id": f"{template.replace('_', '')}{'0' * 40}"[:40],
        "template": template,
        "kind": kind.value,
        "role": recipient.role,
        "name": recipient.name,
        "address": recipient.email,
        "channel": "phone" if template == "phone" else "mail",
        "severity": int(Severity.ALERT),
        "facts": {},
        "made_at": NOW,
        "retry_at": NOW,
        "bundle": "",
    }
    row = AlertRow(**{**values, **changes})
    session.add(row)
    session.flush()
    return row
