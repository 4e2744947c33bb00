"""Signed links for mails: bound to a purpose, a person (by mark and epoch) and an incident, expiring, used once.

A link alone never changes anything: it opens a page, and the page's button carries a second, short-lived
signature bound to the link (mail scanners open links, some even run scripts; reliability notes, 3.1).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from monitor.keys import Keys
from monitor.store.tables import LinkUseRow

PAGE_LIFE = timedelta(hours=1)
"""How long a page may stand open before its buttons must be loaded again."""


class Purpose(StrEnum):
    """What a link is for, and so what its page offers."""

    SEE = "see"
    ACKNOWLEDGE = "acknowledge"
    CALM = "calm"
    FOR_CEO = "for-ceo"
    TAKEOVER = "takeover"
    UNDO = "undo"
    CONFIRM = "confirm"
    END = "end"
    ALLOW = "allow"
    TIP = "tip"
    SIGN_IN = "sign-in"


LIFE = {
    Purpose.SEE: timedelta(days=7),
    Purpose.ACKNOWLEDGE: timedelta(hours=72),
    Purpose.CALM: timedelta(hours=72),
    Purpose.FOR_CEO: timedelta(hours=72),
    Purpose.TAKEOVER: timedelta(hours=12),
    Purpose.UNDO: timedelta(hours=72),
    Purpose.CONFIRM: timedelta(hours=72),
    Purpose.END: timedelta(days=14),
    Purpose.ALLOW: timedelta(hours=72),
    Purpose.TIP: timedelta(days=3650),
    Purpose.SIGN_IN: timedelta(minutes=15),
}
"""How long a mailed link works (settled questions, 5: takeover 12 h; reliability notes, 3.1: 72 h)."""


class LinkInvalid(Exception):
    """The link is not one of ours, or was altered."""


class LinkExpired(Exception):
    """The link is ours but too old; ``ticket`` still says whose it was, so that a fresh one can be sent."""

    def __init__(self, ticket: Ticket) -> None:
        super().__init__("too old")
        self.ticket = ticket


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a link is: their role, and the mark and epoch that ``monitor.people`` keeps of them. Without a mark a link
    is whoever's it was handed to; so were all links of old."""

    role: str
    mark: str = ""
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a link says: purpose, the incident (or another id), its own id, its end, and whose it is."""

    purpose: Purpose
    role: str
    subject: str
    id: str
    expires_at: datetime
    mark: str = ""
    epoch: str = ""


class Links:
    """Makes and reads links. ``public_url`` is empty where mails carry no links."""

    def __init__(self, keys: Keys, public_url: str) -> None:
        self._keys = keys
        self.public_url = public_url

    def make(self, purpose: Purpose, holder: Holder, subject: str, now: datetime, *, id: str = "") -> str:  # noqa: A002
        """The full address of a link, or an empty text without a ``public_url``.

        The same ``id`` gives the same link again, so that a mail tried twice is the same mail.
        """
        token = self.token(purpose, holder, subject, now, id=id)
        return f"{self.public_url}/a/{token}" if self.public_url else ""

    def token(self, purpose: Purpose, holder: Holder, subject: str, now: datetime, *, id: str = "") -> str:  # noqa: A002
        """The token alone."""
        ends = int((now + LIFE[purpose]).timestamp())
        whose = [holder.mark, holder.epoch] if holder.mark else []
        said = [purpose.value, holder.role, subject, id or secrets.token_hex(8), ends, *whose]
        return str(self._signer("link").dumps(said))

    def read(self, token: str, now: datetime) -> Ticket:
        """What a token says; raises ``LinkInvalid`` or ``LinkExpired``."""
        try:
            purpose, role, subject, number, ends, *whose = self._signer("link").loads(token[:2000])
            ticket = Ticket(Purpose(purpose), role, subject, number, datetime.fromtimestamp(ends, UTC), *whose)
        except (BadData, ValueError, TypeError):
            raise LinkInvalid("not a link of this Earshot") from None
        if ticket.expires_at <= now:
            raise LinkExpired(ticket)
        return ticket

    def page_token(self, ticket: Ticket, action: str, now: datetime, *, bound: str = "") -> str:
        """What a page's button carries: bound to the link, the action and ``bound`` (such as the reason given)."""
        ends = int((now + PAGE_LIFE).timestamp())
        return str(self._signer("page").dumps([ticket.id, action, ends, self._keys.digest("bound", bound)[:16]]))

    def page_holds(self, token: str, ticket: Ticket, action: str, now: datetime, *, bound: str = "") -> bool:
        """Whether a button's token was made by our page for this link and action, not long ago."""
        ends = self._page_ends(token, ticket, action, bound)
        return ends is not None and ends > now.timestamp()

    def page_was_ours(self, token: str, ticket: Ticket, action: str, *, bound: str = "") -> bool:
        """The same, however long ago."""
        return self._page_ends(token, ticket, action, bound) is not None

    def _page_ends(self, token: str, ticket: Ticket, action: str, bound: str) -> int | None:
        try:
            number, what, ends, bound_to = self._signer("page").loads(token[:2000])
        except (BadData, ValueError, TypeError):
            return None
        fits = number == ticket.id and what == action and bound_to == self._keys.digest("bound", bound)[:16]
        return ends if fits and isinstance(ends, int) else None

    def _signer(self, purpose: str) -> URLSafeSerializer:
        return URLSafeSerializer(
            self._keys.sign_key(purpose), salt=purpose, signer_kwargs={"digest_method": hashlib.sha256}
        )


def use_up(session: Session, ticket: Ticket, action: str, now: datetime) -> bool:
    """Use a link for an action, in the transaction of the action: True for the first, False for all others."""
    key = f"{ticket.id}:{action}"[:64]
    try:
        with session.begin_nested():
            session.add(LinkUseRow(id=key, purpose=ticket.purpose.value, used_at=now))
    except IntegrityError:
        return False
    return True


def was_used(session: Session, ticket: Ticket, action: str) -> bool:
    """Whether a link was already used for an action."""
    return number_was_used(session, ticket.id, action)


def number_was_used(session: Session, number: str, action: str) -> bool:
    """The same, by the link's id."""
    return session.get(LinkUseRow, f"{number}:{action}"[:64]) is not None
