"""The nouns that every connector speaks, and the protocol it answers to.

All that crosses the protocol is a plain, picklable value, so that the daemon can run a fetch in a
process that it may kill.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum, StrEnum
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from signs import cut, cut_front

MAX_TEXT = 20_000
"""Characters of a post that are kept; the middle of a longer one is left out (reliability notes, 2.4)."""

_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def clean_text(text: str) -> str:
    """``text`` without NUL, controls and lone surrogates, cut to ``MAX_TEXT`` keeping head and tail, no
    letter or emoji cut through.

    Every text from a platform passes here once, before a ``Mention`` is made of it: databases, hashes,
    log files and e-mails each refuse a lone surrogate, and PostgreSQL refuses NUL.
    """
    if len(text) > MAX_TEXT:
        half = MAX_TEXT // 2 - 2
        text = f"{cut(text, half)} … {cut_front(text, half)}"
    return _UNSAFE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


class Kind(StrEnum):
    """What a mention is to us. Every kind but ``MENTION`` stands on our own channel."""

    MENTION = "mention"
    COMMENT = "comment"
    TAG = "tag"
    REVIEW = "review"
    OWN_POST = "own_post"


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who we are: the ``[organisation]`` table of the settings."""

    name: str
    aliases: tuple[str, ...] = ()
    handles: Mapping[str, str] = field(default_factory=dict)
    domains: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("en",)
    timezone: str = "Europe/London"


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a mention, as far as the platform gives it and its terms let us keep it."""

    name: str | None = None
    handle: str | None = None
    id: str | None = None
    followers: int | None = None
    verified: bool | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """One post, comment, tag or review that concerns us. Times are aware UTC.

    ``external_id`` stays the same when the post is edited. ``parent`` is the id of what it answers,
    ``thread`` the id of the conversation's root; a root has neither or names itself as thread.
    ``text`` is None where the platform gives none (a photo, a member's post that we may not read).
    ``names_us``: the platform itself says that this is to us or about us (a tag, a notification, a reply), whatever
    its words are.
    ``parent_text`` are the words it answers, where whoever hands the mention on has them at hand; they help to
    judge it and are not stored with it. An ``own_post`` with a ``parent`` is an answer given by us.
    """

    platform: str
    external_id: str
    kind: Kind
    text: str | None
    url: str
    posted_at: datetime
    author: Author | None = None
    edited_at: datetime | None = None
    parent: str | None = None
    thread: str | None = None
    lang: str | None = None
    likes: int | None = None
    shares: int | None = None
    replies: int | None = None
    names_us: bool = False
    parent_text: str | None = None

    def __post_init__(self) -> None:
        if not self.platform or not self.external_id:
            raise ValueError("a mention needs a platform and an external_id")
        if not self.url.startswith(("https://", "http://")):
            raise ValueError("the url of a mention starts with https://")
        for moment in (self.posted_at, self.edited_at):
            if moment is not None and moment.utcoffset() != timedelta(0):
                raise ValueError("the times of a mention are aware and in UTC")
        for text in (self.text, self.parent_text):
            if text is not None and (_UNSAFE.search(text) or len(text) > MAX_TEXT):
                raise ValueError("the text of a mention has passed clean_text")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one ``fetch`` may spend, by bucket of the poll plan, and what it should know of the moment.

    ``left`` holds whole numbers in the bucket's unit; a bucket that is absent is unlimited. ``hurried``
    asks for the faster streams (after an alert, during takeover).
    """

    now: datetime
    left: Mapping[str, int] = field(default_factory=dict)
    hurried: bool = False

    def of(self, bucket: str) -> int:
        """What is left in ``bucket``; a very large number where nothing limits it."""
        return self.left.get(bucket, 1_000_000_000)


@dataclass(frozen=True, slots=True)
class Fault:
    """A part of a platform that cannot be heard while the rest can, in words for a person."""

    stream: str
    what: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far this platform was heard. ``heard_until``: nothing before it was missed, as far as can be known.

    ``suspect`` says why an empty answer may not be quiet (a canary did not come back); ``gap`` names a hole
    that can never be filled (an outage longer than the platform's memory).
    """

    heard_until: datetime | None = None
    never_shows: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    suspect: str | None = None
    gap: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one ``fetch`` heard. The cursor is the connector's own note to itself, opaque to everyone else.

    ``more`` asks to be called again at once with the new cursor. ``spent`` is what was really used, by
    bucket. ``usage`` is the platform's own figure of how much of our rate budget is used (0 to 1), where it
    tells. ``dropped`` counts entries that could not be read; their shapes (keys, types, lengths) are in
    ``shapes``, never their content.
    """

    mentions: tuple[Mention, ...] = ()
    gone: tuple[str, ...] = ()
    cursor: str | None = None
    more: bool = False
    spent: Mapping[str, int] = field(default_factory=dict)
    coverage: Coverage = field(default_factory=Coverage)
    usage: float | None = None
    dropped: int = 0
    shapes: tuple[str, ...] = ()


class Period(Enum):
    """When a bucket fills up again."""

    UTC_DAY = "utc-day"
    PACIFIC_DAY = "pacific-day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Bucket:
    """An allowance that a platform grants for a period, in whole units (posts, calls, micro-dollars)."""

    name: str
    unit: str
    amount: int
    period: Period
    reserve: int
    """The most that one ``fetch`` may spend of it; set aside before the call."""
    per_poll: int = 1
    """What an ordinary, quiet ``fetch`` spends; used to foresee when the bucket runs dry."""
    recheck_share: float = 0.0
    """The part of the bucket that re-checks may use."""
    per_look: int | None = None
    """The most that one ``examine`` may spend of it; None: as much as a ``fetch``."""


@dataclass(frozen=True, slots=True)
class PollPlan:
    """How often to poll, and what that costs: the lowest lag that the allowance buys (platform facts).

    ``at_usage`` slows down as the platform's own usage figure rises: pairs of (usage from, interval),
    rising. ``cost`` says the expected monthly cost in words.
    """

    calm: timedelta
    hurried: timedelta
    buckets: tuple[Bucket, ...] = ()
    at_usage: tuple[tuple[float, timedelta], ...] = ()
    lag: str = ""
    cost: str = "free of charge"


class Level(StrEnum):
    """How a finding of the doctor is meant."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the doctor found out, in plain words, and what to do about it."""

    level: Level
    what: str
    do: str = ""
    expires_at: datetime | None = None
    """The end of a token's life, so that it can be announced 14, 7, 3 and 1 days ahead."""
    unreachable: bool = False
    """Nobody answered there: nothing is known to be wrong with the set-up."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency, written ``"20 USD"`` in the settings."""

    amount: Decimal
    currency: str

    @classmethod
    def parse(cls, text: str) -> Money:
        """Read ``"20 USD"`` or ``"15.50 GBP"``; raises ValueError otherwise."""
        match text.split():
            case [amount, currency] if currency.isalpha() and len(currency) == 3:
                try:
                    value = Decimal(amount)
                except InvalidOperation:
                    raise ValueError('an amount such as "20 USD"') from None
                if value.is_finite() and value >= 0:
                    return cls(value, currency.upper())
        raise ValueError('an amount such as "20 USD"')

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class Connector(Protocol):
    """One verb: read a page or a few. Never sleeps, never retries, never sees the database."""

    def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
        """What is new since ``cursor``. Repeats are harmless, misses are not.

        Raises the classes of ``connectors.errors`` and nothing else.
        """
        ...


@runtime_checkable
class Examines(Protocol):
    """A connector that can look at its own set-up for the doctor."""

    def examine(self, allowance: Allowance, /) -> tuple[Finding, ...]:
        """Token type, scopes, expiry, quota left, version served, newest thing heard."""
        ...


@runtime_checkable
class Rechecks(Protocol):
    """A connector that can look again at posts it delivered before."""

    def recheck(self, ids: tuple[str, ...], allowance: Allowance, /) -> Batch:
        """The present form of ``ids`` (edits, fresh figures) as mentions, and those that are gone.

        An id that could not be looked at within the allowance is in neither.
        """
        ...


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A post of ours that waits for its hour on the platform: what a takeover must know of."""

    platform: str
    external_id: str
    text: str | None
    publish_at: datetime
    url: str


@runtime_checkable
class Schedules(Protocol):
    """A connector that can tell which of our posts are scheduled. It only reads."""

    def scheduled(self, now: datetime | None = None, /) -> tuple[Scheduled, ...]:
        """The posts that will appear by themselves, soonest first. Raises the classes of ``connectors.errors``."""
        ...


S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Grant:
    """A token that a platform gave us, and when it ends."""

    token: str = field(repr=False)
    expires_at: datetime | None = None
    refresh_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Platform(Generic[S]):
    """What a plug-in offers: a name, the settings it takes, and the way to connect.

    ``refresh`` exchanges a token that is about to end for a new one, where the platform allows it;
    ``token_setting`` names the settings key that holds that token. ``preload`` names modules that are heavy to
    load: the daemon loads them once where its polling processes are forked from, never in itself. ``check`` finds
    what is wrong with the settings as a whole before anything is asked.
    """

    name: str
    settings: type[S]
    connect: Callable[[S, Organisation], Connector]
    plan: Callable[[S, Organisation], PollPlan]
    refresh: Callable[[S, Grant], Grant] | None = None
    token_setting: str | None = None
    never_shows: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    check: Callable[[S, Organisation], object] | None = None
    """Looks at settings and organisation together, asking nobody; raises ``SetupRejected`` naming the key."""


AnyPlatform = Platform[Any]


def secret(default: str = "") -> Any:
    """A settings field that holds a secret: absent from ``repr`` and blanked by the log filter."""
    return field(default=default, repr=False, metadata={"secret": True})


def utc(moment: datetime) -> datetime:
    """``moment`` in UTC; raises ValueError when it is naive."""
    if moment.tzinfo is None:
        raise ValueError("a naive time")
    return moment.astimezone(UTC)
