"""What all mails share: the house, the words of a row, its links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from alerts.addresses import on_the_wire, split_mailbox
from alerts.model import (
    CoverageLine,
    Link,
    Recipient,
    Severity,
)
from connectors.model import Organisation
from monitor.cards import Cards
from monitor.clock import say_moment
from monitor.excerpts import Ground
from monitor.hearing import coverage_lines
from monitor.keys import Keys
from monitor.links import Links, Purpose
from monitor.outbox import ROLE_WORDS
from monitor.people import holder_of
from monitor.store.tables import AlertRow, IncidentRow
from monitor.terms import Terms

LINK_STEP = timedelta(hours=6)
"""A link's life is counted from the last full step since the mail was owed: tries soon after each other are equal,
and a mail held up for a day does not arrive with links that have ended."""


@dataclass(frozen=True, slots=True)
class House:
    """What composing needs to know. ``people`` by role, ``sender`` as the mail's From, ``now`` aware UTC."""

    organisation: Organisation
    zone: ZoneInfo
    terms: Mapping[str, Terms]
    links: Links
    keys: Keys
    cards: Cards
    people: Mapping[str, Recipient]
    sender: str
    now: datetime

    @property
    def domain(self) -> str:
        """What Message-IDs end in."""
        return on_the_wire(split_mailbox(self.sender)[1]).rpartition("@")[2] or "earshot.invalid"

    def root_id(self, incident: str) -> str:
        """The Message-ID that all mails about one incident answer, the first one too: one conversation each."""
        return f"<incident-{incident}@{self.domain}>"

    def own_root_id(self, matter: str) -> str:
        """The same for what belongs to no incident: mail programs put mails without a root together by their subject
        alone."""
        return f"<matter-{matter}@{self.domain}>"

    def message_id(self, alert_id: str) -> str:
        """The Message-ID of an alert, the same on every try."""
        return f"<{alert_id}@{self.domain}>"


def link_number(keys: Keys, alert_id: str, purpose: Purpose, subject: str, *, salt: str = "") -> str:
    """The id of a link in the mail that an alert stands for, the same on every try."""
    return keys.digest("mail-link", alert_id, purpose.value, subject, salt)[:16]


class Writer:
    """What all mails share: the facts of a row in words, its links, its incident."""

    def __init__(self, session: Session, row: AlertRow, house: House) -> None:
        self.session, self.row, self.house = session, row, house
        self.facts: Mapping[str, Any] = row.facts
        self.ground = Ground(house.terms, house.organisation, house.zone, house.now)
        self.recipient = Recipient(row.role, row.name, row.address)
        self.severity = Severity(row.severity)

    def incident(self) -> IncidentRow:
        """The incident of the row; raises ``NoResultFound`` where there is none."""
        return self.session.get_one(IncidentRow, self.row.incident_id or self.facts.get("incident") or "")

    def link(self, purpose: Purpose, subject: str, label: str, *, main: bool = False, salt: str = "") -> Link | None:
        """A signed link, or None without a public address. Tried again, it is the same link."""
        made, now = self.row.made_at, self.house.now
        from_ = made + LINK_STEP * ((now - made) // LINK_STEP) if now > made else made
        number = link_number(self.house.keys, self.row.id, purpose, subject, salt=salt)
        holder = holder_of(self.session, self.house.keys, self.row.role, self.row.address)
        url = self.house.links.make(purpose, holder, subject, from_, id=number)
        return Link(label, url, main) if url else None

    def without_links(self, incident: str = "", *, takeover: bool = True) -> str:
        """What to do instead of pressing a button; empty where there are buttons."""
        if self.house.links.public_url:
            return ""
        operator = self.house.people.get("operator")
        ask = f" Or ask {operator.name}, who looks after Earshot." if operator else ""
        role = self.row.role if self.row.role in self.house.people else "ceo"
        listed = (
            f" On the server, `earshot incidents` lists what is open, and `earshot sign-in {role}` prints a link to "
            "the page with more."
        )
        if incident:
            listed += f' `earshot acknowledge {incident} --by "..."` says that you are on it.'
        begin = ' `earshot takeover begin --reason "..."` begins takeover.' if takeover else ""
        return f"This Earshot has no public address, so this mail has no buttons.{listed}{begin}{ask}"

    def when(self, key: str, default: str = "") -> str:
        """A moment of the facts in words."""
        moment = self.moment(key)
        return self.say(moment) if moment else default

    def say(self, moment: datetime) -> str:
        """A moment on the organisation's wall clock."""
        return say_moment(moment, self.house.zone, now=self.house.now)

    def moment(self, key: str) -> datetime | None:
        """A moment of the facts, aware UTC, or None."""
        value = self.facts.get(key)
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            return None
        return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment

    def word(self, key: str, default: str = "") -> str:
        """A text of the facts, on one line."""
        value = self.facts.get(key)
        return " ".join(str(value).split()) if value not in (None, "") else default

    def name_of(self, role: str) -> str:
        """Who holds a role, by name."""
        person = self.house.people.get(role)
        return f"{person.name} ({ROLE_WORDS.get(role, role)})" if person else ROLE_WORDS.get(role, role)

    def coverage(self) -> tuple[CoverageLine, ...]:
        """How far each platform was heard."""
        return coverage_lines(self.session, self.house.now, self.house.zone)


def present(*links: Link | None) -> tuple[Link, ...]:
    """The links that there are."""
    return tuple(link for link in links if link is not None)
