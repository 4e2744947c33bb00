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

    @classmethod
    def _missing_(cls, value: object) -> Severity | None:
        """A level that is none of ours, as a damaged row may hold, stands for the nearest: one row must stop nobody's
        alerts, and is rather told too loudly than not at all."""
        return cls(min(max(value, cls.ROUTINE), cls.CRISIS)) if isinstance(value, int) else None

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


class Stage(StrEnum):
    """How far a conversation with a mail server had come when it said no."""

    GREETING = "greeting"
    SIGN_IN = "sign-in"
    SENDER = "sender"
    RECIPIENT = "recipient"
    LETTER = "letter"
    """DATA, and the answer after the final dot."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a mail server answered instead of taking the letter. What follows from it is decided elsewhere.

    ``enhanced`` is the code of RFC 3463 such as ``5.1.1``, or nothing. ``words`` may hold addresses and worse: they
    are compared with a list and never shown, logged or kept.
    """

    stage: Stage
    code: int
    enhanced: str = ""
    words: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced}".rstrip()


class DeliveryFailed(Exception):
    """A message was not accepted. ``refusal`` is the mail server's answer, where it gave one.

    ``unanswered`` is true when no conversation came about at all (no route, no name, no answer); ``unclear`` when the
    message may have been accepted although no answer came; ``operator`` when only the operator can mend it (sign-in,
    certificate, sender address); ``permanent`` when there is nothing to try again with. ``why`` holds no secret and
    no address.
    """

    def __init__(
        self,
        why: str,
        *,
        refusal: Refusal | None = None,
        unanswered: bool = False,
        unclear: bool = False,
        operator: bool = False,
        permanent: bool = False,
    ) -> None:
        super().__init__(why)
        self.why = why
        self.refusal = refusal
        self.unanswered = unanswered
        self.unclear = unclear
        self.operator = operator
        self.permanent = permanent


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
class Fact:
    """One labelled line of a mail, such as *Begun by* and a name."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A titled list in our own words. ``empty`` is said where there are no lines."""

    title: str
    lines: tuple[str, ...] = ()
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One incident in a list of several."""

    headline: str
    severity: Severity
    where: str
    moment: str
    reference: str = ""
    size: str = ""
    url: str = ""


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
    organisation: str = ""
    reference: str = ""
    """The incident's short name, for the subject and for the telephone."""
    subject: str = ""
    """What the subject says where that is not the headline: the same in a whole conversation, for mail programs leave
    out what stands in brackets and split a conversation where the rest changes."""
    tag: str = ""
    """The word on the banner and at the start of the subject; the severity's own where empty."""
    preview: str = ""
    """What an inbox shows beside the subject; the summary where empty."""
    reader: str = ""
    """Why this person is told, in one sentence."""
    facts: tuple[Fact, ...] = ()
    sections: tuple[Section, ...] = ()
    cards: tuple[Card, ...] = ()
    """Further cards, such as the passwords to change."""
    items: tuple[Item, ...] = ()
    """Several incidents in one mail."""

    @property
    def word(self) -> str:
        """The word on the banner: colour is never the only sign."""
        return self.tag or self.severity.level.upper()


@dataclass(frozen=True, slots=True)
class Met:
    """How fast an incident was met, each in words: ``heard`` after it was posted, ``told`` after it was heard ..."""

    headline: str
    severity: Severity
    reference: str
    opened: str
    heard: str = ""
    told: str = ""
    acknowledged: str = ""
    closed: str = ""
    size: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class PlatformWeeks:
    """Counts and mood of one platform for the weeks named in ``Bulletin.weeks``, oldest first, this week last.

    A count of None is a week that was not heard; a mood of None is none that may be shown or none to be had.
    ``own`` platforms stand in a block of their own (settled questions, 4).
    """

    platform: str
    counts: tuple[int | None, ...]
    moods: tuple[float | None, ...] = ()
    alerts: int = 0
    own: bool = False
    remark: str = ""
    """Such as *deaf for 5 hours*; said beside the count."""


@dataclass(frozen=True, slots=True)
class Bulletin:
    """All that the weekly digest may say. Texts are already chosen by the platforms' terms.

    ``week`` is the ISO week such as ``2026-W48``, ``period`` its days in words, ``folded`` the weeks that were
    missed whole and stand in this one. ``more_*`` say how many are left out of a list,
    those of mentions platform by platform ("3 on X").
    """

    organisation: str
    week: str
    period: str
    summary: str
    folded: tuple[str, ...] = ()
    questions: tuple[Quote, ...] = ()
    more_questions: str = ""
    thanks: tuple[Quote, ...] = ()
    more_thanks: str = ""
    watch: tuple[Item, ...] = ()
    more_watch: str = ""
    incidents: tuple[Met, ...] = ()
    more_incidents: int = 0
    weeks: tuple[str, ...] = ()
    """Short names of the weeks, oldest first, such as ``9 Nov``."""
    platforms: tuple[PlatformWeeks, ...] = ()
    coverage: tuple[CoverageLine, ...] = ()
    deaf: tuple[str, ...] = ()
    spending: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    judgement: tuple[str, ...] = ()
    """How often alerts were right here, and what was missed, as people said."""
    notes: tuple[str, ...] = ()
    """What is missing or overdue: data-protection set-up, the policy's review."""
    audit_head: str = ""
    links: tuple[Link, ...] = ()
    without_links: str = ""
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
    link: str = ""
    """For a phone: the one address that its short text leads to."""
    audit_head: str = ""
    """The head of the audit chain when it left, kept by whoever keeps the mail: an outside witness."""
