"""The nouns of telling: how grave a thing is, and all that an e-mail may say about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum


class Severity(IntEnum):
    """How grave a mention is. Each rung names what we do about it (corpus scheme)."""

    ROUTINE = 0
    """In the digest only."""
    WATCH = 1
    """Listed for attention; no e-mail by itself."""
    ALERT = 2
    """The CEO is e-mailed at once."""
    CRISIS = 3
    """The CEO is e-mailed at once, at any hour, and takeover is offered."""

    @property
    def level(self) -> str:
        """The word that people read: routine, watch, alert, crisis."""
        return self.name.lower()


class MailKind(StrEnum):
    """The value of the header ``X-Earshot-Kind``, for the reader's mail rules (settled questions, 1)."""

    ALERT = "alert"
    DEAF = "deaf"
    BREACH = "breach"
    TAKEOVER = "takeover"
    DIGEST = "digest"
    REPORT = "report"
    TEST = "test"


class DeliveryFailed(Exception):
    """A message was not accepted. ``permanent``: never try this address again, go to the next person.

    ``unclear`` is true when the message may have been accepted although no answer came; ``operator`` when
    only the operator can mend it (sign-in, certificate, sender address). ``why`` holds no secret and no address.
    """

    def __init__(self, why: str, *, permanent: bool = False, unclear: bool = False, operator: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.permanent = permanent
        self.unclear = unclear
        self.operator = operator


@dataclass(frozen=True, slots=True)
class Recipient:
    """A person whom we may tell: the role (ceo, chair, operator, poster), a name and an address."""

    role: str
    name: str
    email: str
    phones: tuple[str, ...] = field(default=(), repr=False)
    away: bool = False
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A labelled way onward. ``main`` marks the one that a hurried reader should press."""

    label: str
    url: str
    main: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the reader is told: the rule in one sentence, the policy clause it serves, the words it saw."""

    sentence: str
    clause: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """What somebody wrote, as far as the platform's terms and the category allow (settled questions, 4)."""

    place: str
    when: str
    text: str | None
    url: str
    reach: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What to do and what not to do in the first hour, for one category (``config/first_hour.toml``)."""

    title: str
    do: tuple[str, ...] = ()
    dont: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CoverageLine:
    """How far one platform was heard, in words: never say how little was heard without it."""

    platform: str
    deaf: bool
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """All that an alert e-mail may say. Texts are already chosen by the platform's terms; nothing is looked up.

    ``headline`` is one line without any text from a post. ``moment`` is the local time in words.
    """

    headline: str
    severity: Severity
    where: str
    moment: str
    summary: str = ""
    reach: str = ""
    growth: str = ""
    why: tuple[Reason, ...] = ()
    quotes: tuple[Quote, ...] = ()
    card: Card | None = None
    coverage: tuple[CoverageLine, ...] = ()
    links: tuple[Link, ...] = ()
    followup: int = 0
    """0 for the first telling, then counting: the mail says what is new."""
    news: tuple[str, ...] = ()
    without_links: str = ""
    """What to do instead when there is no public_url and so no links."""
    drill: bool = False
    footer: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A composed e-mail, ready to leave: one recipient, and a Message-ID that stays the same on every try."""

    kind: MailKind
    recipient_name: str
    recipient_address: str
    subject: str
    text: str
    html: str
    message_id: str
    sent_at: datetime
    incident: str = ""
    severity: Severity | None = None
    in_reply_to: str = ""
    picture: bytes | None = field(default=None, repr=False)
    """A PNG shown inside the message as ``cid:picture``."""
    picture_text: str = ""
