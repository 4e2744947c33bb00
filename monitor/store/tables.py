"""Every table. Text of third parties stands in columns that the forgetting job knows (``monitor.forgetting``)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy import DateTime as _DateTime
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite hands back naive ones and forgets zones (reliability notes, 2.2), so we refuse
    naive times on the way in and put the zone back on the way out."""

    impl = _DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("a naive time was about to be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """All tables share one naming convention, so that migrations can name what they change."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        str: Text,
    }


BigId = BigInteger().with_variant(Integer, "sqlite")


class MentionRow(Base):
    """One mention in its newest form. ``status`` is live, gone (taken down there) or forgotten (by us).

    ``text``, the author's columns and ``signals`` (which hold matched words) are the only places where a
    third party's words and name stand; ``text_until`` and ``author_until`` say until when.
    """

    __tablename__ = "mention"
    __table_args__ = (
        UniqueConstraint("platform", "external_id"),
        Index("ix_mention_text_until", "text_until"),
        Index("ix_mention_posted_at", "posted_at"),
        Index("ix_mention_incident_id", "incident_id", "posted_at", "platform", "severity"),
        Index("ix_mention_platform_thread", "platform", "thread"),
        Index("ix_mention_first_seen_at", "first_seen_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    platform: Mapped[str] = mapped_column(String(40))
    external_id: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20), default="live")
    text: Mapped[str | None]
    text_key: Mapped[str] = mapped_column(String(64), default="")
    """Keyed hash of the text: tells an edit from a repeat without keeping the text."""
    url: Mapped[str]
    author_name: Mapped[str | None]
    author_handle: Mapped[str | None]
    author_id: Mapped[str | None]
    posted_at: Mapped[datetime]
    edited_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    parent: Mapped[str | None] = mapped_column(String(255))
    thread: Mapped[str | None] = mapped_column(String(255))
    lang: Mapped[str | None] = mapped_column(String(20))
    likes: Mapped[int | None] = mapped_column(BigInteger)
    shares: Mapped[int | None] = mapped_column(BigInteger)
    replies: Mapped[int | None] = mapped_column(BigInteger)
    followers: Mapped[int | None] = mapped_column(BigInteger)
    names_us: Mapped[bool] = mapped_column(default=False, server_default=false())
    """The platform itself said that it is to us or about us."""
    first_seen_at: Mapped[datetime]
    verified_at: Mapped[datetime]
    """When the platform last showed it to us in this form."""
    text_until: Mapped[datetime | None]
    author_until: Mapped[datetime | None]
    row_until: Mapped[datetime | None]
    recheck_at: Mapped[datetime | None]
    purpose: Mapped[str] = mapped_column(String(40), default="listening")
    basis: Mapped[str] = mapped_column(String(60), default="legitimate interests")
    severity: Mapped[int] = mapped_column(default=0)
    categories: Mapped[list[Any]] = mapped_column(default=list)
    sentiment: Mapped[float | None]
    language: Mapped[str] = mapped_column(String(20), default="unknown")
    signals: Mapped[list[Any]] = mapped_column(default=list)
    judged: Mapped[bool] = mapped_column(default=True)
    question: Mapped[bool] = mapped_column(default=False)
    thanks: Mapped[bool] = mapped_column(default=False)
    answered_at: Mapped[datetime | None]
    history: Mapped[bool] = mapped_column(default=False)
    incident_id: Mapped[str | None] = mapped_column(ForeignKey("incident.id"))
    allowed_at: Mapped[datetime | None]
    """When a person said that this post of ours during a takeover was in order."""


class TallyRow(Base):
    """Counts by hour for trends, without anything of a person; kept 13 months (YouTube 28 days)."""

    __tablename__ = "tally"

    platform: Mapped[str] = mapped_column(String(40), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    severity: Mapped[int] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(String(40), primary_key=True)
    """A category, or ``*`` for the count of mentions and ``own`` for our own posts."""
    count: Mapped[int] = mapped_column(default=0)
    mood_sum: Mapped[float] = mapped_column(default=0.0)
    mood_count: Mapped[int] = mapped_column(default=0)


class IncidentRow(Base):
    """Mentions that belong together, and how far the chain of telling has come."""

    __tablename__ = "incident"
    __table_args__ = (Index("ix_incident_state_last_seen_at", "state", "last_seen_at"),)

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    category: Mapped[str | None] = mapped_column(String(40))
    severity: Mapped[int]
    state: Mapped[str] = mapped_column(String(20))
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    mentions: Mapped[int] = mapped_column(default=1)
    platforms: Mapped[list[Any]] = mapped_column(default=list)
    threads: Mapped[list[Any]] = mapped_column(default=list)
    copies: Mapped[list[Any]] = mapped_column(default=list)
    told: Mapped[int] = mapped_column(default=0)
    told_at: Mapped[datetime | None]
    reached_at: Mapped[datetime | None]
    """When the first word of it was taken for somebody, by a mail server or a phone service."""
    asked_at: Mapped[datetime | None]
    """When whoever stands in was first asked to ring somebody."""
    rung_at: Mapped[datetime | None]
    """When they said that they had, though somebody else decides: they are asked no more, and nobody else is spared."""
    revision: Mapped[int] = mapped_column(default=0)
    spoken_of: Mapped[list[Any]] = mapped_column(default=list)
    """Roles of whom it says something, and from whom it is hidden."""
    perhaps_of: Mapped[list[Any]] = mapped_column(default=list)
    """Roles of whom it may say something: hidden from them too until somebody says that it does not."""
    cleared_of: Mapped[list[Any]] = mapped_column(default=list)
    """Roles of whom somebody said that it does not speak: later posts that only may do so hide it no more."""
    persons: Mapped[list[Any]] = mapped_column(default=list)
    """Who is meant by those roles, by keyed hashes alone (``monitor.persons``), once people changed."""
    history: Mapped[bool] = mapped_column(default=False)
    drill: Mapped[bool] = mapped_column(default=False)
    source: Mapped[str] = mapped_column(String(20), default="mention")
    """What opened it: mention, tip, volume, mood, drill."""
    summary: Mapped[str] = mapped_column(default="")
    """Our own words (a tip, a rising volume); never a third party's."""
    tip_link: Mapped[str] = mapped_column(default="")
    """The link that a tip came with; shown, never fetched."""
    next_step: Mapped[int] = mapped_column(default=0)
    next_step_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str] = mapped_column(default="")
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str] = mapped_column(default="")
    verdict: Mapped[str] = mapped_column(String(40), default="")
    salt: Mapped[str] = mapped_column(String(40), default="")


class IncidentAccountRow(Base):
    """Distinct accounts of an incident, by a hash salted per incident (settled questions, 4)."""

    __tablename__ = "incident_account"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    platform: Mapped[str] = mapped_column(String(40))


class LogRow(Base):
    """The decision log of an incident: append-only, our own words only."""

    __tablename__ = "incident_log"
    __table_args__ = (Index("ix_incident_log_incident_id", "incident_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    who: Mapped[str]
    what: Mapped[str]
    for_keepers: Mapped[bool] = mapped_column(default=False)
    """Reasons of a takeover and answers of the registers: for CEO, Chair and operator."""


class AlertRow(Base):
    """The outbox: one message owed to one person. It holds no third party's words; those are read when it leaves.

    Open while ``delivered_at``, ``superseded_at`` and ``refused_at`` are all empty. ``refused_at`` is when it was given
    up, after days of trying; a refusal alone leaves it open.
    """

    __tablename__ = "alert"
    __table_args__ = (
        Index("ix_alert_open", "delivered_at", "superseded_at", "refused_at", "retry_at"),
        Index("ix_alert_incident_id", "incident_id"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    incident_id: Mapped[str | None] = mapped_column(ForeignKey("incident.id"))
    template: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))
    role: Mapped[str] = mapped_column(String(20))
    name: Mapped[str]
    address: Mapped[str]
    channel: Mapped[str] = mapped_column(String(20), default="mail")
    severity: Mapped[int] = mapped_column(default=0)
    revision: Mapped[int] = mapped_column(default=0)
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Our own words and ids that the template needs (never text of a post)."""
    made_at: Mapped[datetime]
    retry_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    claimed: Mapped[bool] = mapped_column(default=False)
    """Whether a sender has it now; a daemon that starts frees what a dead one had claimed."""
    bundle: Mapped[str] = mapped_column(String(64), default="")
    """Alerts of one bundle leave as one round-up."""
    delivered_at: Mapped[datetime | None]
    superseded_at: Mapped[datetime | None]
    refused_at: Mapped[datetime | None]
    unclear: Mapped[bool] = mapped_column(default=False)
    last_error: Mapped[str] = mapped_column(default="")
    outcome: Mapped[str] = mapped_column(String(20), default="")
    """How the last try that failed ended (``monitor.refusals.Outcome``)."""
    tried_at: Mapped[datetime | None]
    """The first try at this address."""
    failed_at: Mapped[datetime | None]
    """When the last try failed."""
    unreached_at: Mapped[datetime | None]
    """When its person counted as not reached by it, and the next in the chain was told."""


class PlatformRow(Base):
    """How far a platform was heard, when it is due, and what is wrong with it."""

    __tablename__ = "platform"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    in_use: Mapped[bool] = mapped_column(default=True)
    """Whether the settings have a table for it; a platform taken out keeps its place for a later return."""
    cursor: Mapped[str | None]
    due_at: Mapped[datetime]
    polled_at: Mapped[datetime | None]
    heard_at: Mapped[datetime | None]
    """The last poll that succeeded."""
    heard_until: Mapped[datetime | None]
    begun_at: Mapped[datetime | None]
    """The first start with this platform in the settings, whether it answered or not: what is older is history."""
    first_poll_at: Mapped[datetime | None]
    """The first poll that succeeded."""
    first_sweep_at: Mapped[datetime | None]
    """When the history had been taken in; from then on everything is news."""
    something_at: Mapped[datetime | None]
    """The last answer that held anything at all."""
    failing_since: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    error_class: Mapped[str] = mapped_column(String(40), default="")
    error: Mapped[str] = mapped_column(default="")
    error_do: Mapped[str] = mapped_column(default="")
    retry_at: Mapped[datetime | None]
    suspect: Mapped[str] = mapped_column(default="")
    suspect_since: Mapped[datetime | None]
    gap: Mapped[str] = mapped_column(default="")
    faults: Mapped[list[Any]] = mapped_column(default=list)
    never_shows: Mapped[list[Any]] = mapped_column(default=list)
    usage: Mapped[float | None]
    told_operator_at: Mapped[datetime | None]
    told_ceo_at: Mapped[datetime | None]
    token_ends_at: Mapped[datetime | None]
    examined_at: Mapped[datetime | None]


class DeafRow(Base):
    """A time in which a platform was not heard, for the digest and the reports."""

    __tablename__ = "deaf_time"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    platform: Mapped[str] = mapped_column(String(40))
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    why: Mapped[str] = mapped_column(default="")


class SpendingRow(Base):
    """What was spent of a bucket in a period. A reservation is added before the call and the rest given back
    after it, so one that is never settled counts as spent (settled questions, 3)."""

    __tablename__ = "spending"

    platform: Mapped[str] = mapped_column(String(40), primary_key=True)
    bucket: Mapped[str] = mapped_column(String(40), primary_key=True)
    period: Mapped[str] = mapped_column(String(20), primary_key=True)
    spent: Mapped[int] = mapped_column(BigInteger, default=0)
    rechecks: Mapped[int] = mapped_column(BigInteger, default=0)


class TakeoverRow(Base):
    """The takeover ledger: append-only; the newest row is the state."""

    __tablename__ = "takeover"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    verb: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    by: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)


class DigestRow(Base):
    """One digest for each ISO week, whatever restarts, clock changes or outages happen."""

    __tablename__ = "digest"

    week: Mapped[str] = mapped_column(String(10), primary_key=True)
    made_at: Mapped[datetime]
    since: Mapped[datetime]
    until: Mapped[datetime]
    figures: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Counts only, for comparing weeks; no text."""


class LinkUseRow(Base):
    """A signed link that was used up. The id alone is kept, not the token."""

    __tablename__ = "link_use"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(40))
    used_at: Mapped[datetime]


class ToldRow(Base):
    """Things that are said once: a token's last days, a first-run summary. The key says which."""

    __tablename__ = "told"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    at: Mapped[datetime]


class PersonRow(Base):
    """What changed about a person since the settings were written: away, refused by the mail server."""

    __tablename__ = "person"

    role: Mapped[str] = mapped_column(String(20), primary_key=True)
    away: Mapped[bool | None]
    refused_at: Mapped[datetime | None]
    """Since when a mail server says that there is no such mailbox as ``refused_address``."""
    refused_address: Mapped[str] = mapped_column(default="")
    changed_at: Mapped[datetime]


class StandingRow(Base):
    """A person of the settings, by keyed hashes alone (``monitor.people``): what their table said when last looked at,
    and the epoch that their links and sessions must be of."""

    __tablename__ = "standing"

    mark: Mapped[str] = mapped_column(String(40), primary_key=True)
    role: Mapped[str] = mapped_column(String(20), default="")
    stated: Mapped[str] = mapped_column(String(64), default="")
    mailbox: Mapped[str] = mapped_column(String(64), default="")
    named: Mapped[str] = mapped_column(String(64), default="")
    epoch: Mapped[str] = mapped_column(String(20))
    since: Mapped[datetime]
    left_at: Mapped[datetime | None]


class GrantRow(Base):
    """A token that we renewed ourselves, sealed with the install key."""

    __tablename__ = "platform_grant"

    platform: Mapped[str] = mapped_column(String(40), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime | None]
    renewed_at: Mapped[datetime]


class ErasureRow(Base):
    """A person or a post that must never come back: a keyed hash, nothing else."""

    __tablename__ = "erasure"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    platform: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]
    why: Mapped[str] = mapped_column(default="")


class QuarantineRow(Base):
    """A mention that could not be scored or stored: what it was, how often tried; its text only as long as allowed."""

    __tablename__ = "quarantine"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    platform: Mapped[str] = mapped_column(String(40))
    external_id: Mapped[str] = mapped_column(String(255))
    url: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]
    error: Mapped[str] = mapped_column(default="")
    shape: Mapped[str] = mapped_column(default="")
    until: Mapped[datetime]


class FeedbackRow(Base):
    """What people said of an alert, or of its absence (issue of learning): the verdict with its reason."""

    __tablename__ = "feedback"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(20))
    incident_id: Mapped[str | None] = mapped_column(String(20))
    mention_id: Mapped[int | None] = mapped_column(BigInteger)
    verdict: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(default="")
    rules: Mapped[list[Any]] = mapped_column(default=list)
    fingerprint: Mapped[str] = mapped_column(default="")
    examples: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    """The shipped examples that the marked posts lay nearest to, as ``[model, number]``: with the copy marks all that
    outlives the posts' words."""


class TuningRow(Base):
    """A lesson that a person accepted: a line of the judgement, or words that are no news here. Ended, it teaches
    nothing any more."""

    __tablename__ = "tuning"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))
    words: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    ended_at: Mapped[datetime | None]


class ProgressRow(Base):
    """When each loop last got round. The watcher compares this, never ``running`` (reliability notes, 0.1)."""

    __tablename__ = "progress"

    loop: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime]
    note: Mapped[str] = mapped_column(default="")


class LeaseRow(Base):
    """Who runs the daemon on this database; ``fence`` grows with every new holder."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str]
    fence: Mapped[int] = mapped_column(default=0)
    until: Mapped[datetime]

    def is_held(self, now: datetime) -> bool:
        """Whether its holder has renewed it in time: a daemon runs, listens and delivers."""
        return self.until > now


def holds_lease(session: Session, now: datetime) -> bool:
    """Whether a daemon runs on this store."""
    row = session.get(LeaseRow, "daemon")
    return row is not None and row.is_held(now)


class IdentityRow(Base):
    """Which store this is: one row, made with the store and remembered in the state folder too
    (``monitor.store.identity``)."""

    __tablename__ = "store_identity"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(32))
    """Random, and never made twice."""
    beats: Mapped[int] = mapped_column(BigInteger, default=0)
    """Grows while the daemon runs: a store with fewer than the state folder remembers is an older copy."""
    key_check: Mapped[str] = mapped_column(String(64), default="")
    """A keyed hash that tells whether the install key is still the one that this store was written with."""


class AuditRow(Base):
    """One thing that was done, chained to the one before (``monitor.audit``). ``words`` may be erased, the rest not."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str] = mapped_column(String(60))
    about: Mapped[str] = mapped_column(String(80), default="")
    words: Mapped[str | None]
    salt: Mapped[str] = mapped_column(String(32))
    content: Mapped[str] = mapped_column(String(64))
    proof: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """A hash of what the row stands for: a line of the takeover ledger."""
    chain: Mapped[str] = mapped_column(String(64))


class ReportRow(Base):
    """What the forgetting job did, to be shown to the regulator: counts only."""

    __tablename__ = "forgetting_report"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)


# ── the pages ───────────────────────────────────────────────────────────────────────────────────────


class SessionRow(Base):
    """A person who has signed in. The id is a keyed hash of the cookie; ``person`` a keyed hash of who it is."""

    __tablename__ = "web_session"
    __table_args__ = (Index("ix_web_session_person", "person"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    person: Mapped[str] = mapped_column(String(40))
    epoch: Mapped[str] = mapped_column(String(20), default="", server_default="")
    opened_at: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class KeptFormRow(Base):
    """What somebody sent after their session had ended, sealed, until they have signed in again or a day is over."""

    __tablename__ = "kept_form"
    __table_args__ = (Index("ix_kept_form_person", "person"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    person: Mapped[str] = mapped_column(String(40))
    epoch: Mapped[str] = mapped_column(String(20), default="")
    at: Mapped[datetime]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class TipLinkRow(Base):
    """A link to "Tell the CEO" that the operator handed out; ended, it opens nothing any more."""

    __tablename__ = "tip_link"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class CardTickRow(Base):
    """A line of the first-hour card that somebody has done; taken back by deleting it, told by the log."""

    __tablename__ = "card_tick"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    who: Mapped[str]


class RegisterRow(Base):
    """Who was told of a severe incident, or why not: append-only, the newest answer for each body counts (R-C2)."""

    __tablename__ = "register"
    __table_args__ = (Index("ix_register_incident_id", "incident_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"))
    body: Mapped[str] = mapped_column(String(20))
    answer: Mapped[str] = mapped_column(String(20))
    """told, not (with a reason), or undecided."""
    reason: Mapped[str] = mapped_column(default="")
    who: Mapped[str]
    at: Mapped[datetime]


class PreflightRow(Base):
    """What was found waiting to be published when a takeover began, by platform: links and counts, no words."""

    __tablename__ = "preflight"
    __table_args__ = (UniqueConstraint("takeover", "platform"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    takeover: Mapped[str] = mapped_column(String(40))
    """The moment at which the takeover began."""
    platform: Mapped[str] = mapped_column(String(40))
    result: Mapped[str] = mapped_column(String(20))
    """empty, found, by hand."""
    found: Mapped[list[Any]] = mapped_column(default=list)
    """For each: when it would appear, and its link."""
    at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    done_by: Mapped[str] = mapped_column(default="")


class StatementRow(Base):
    """A holding statement in our own words, and who approved it. Earshot publishes nothing."""

    __tablename__ = "statement"
    __table_args__ = (Index("ix_statement_incident_id", "incident_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"))
    text: Mapped[str]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    checked: Mapped[list[Any]] = mapped_column(default=list)
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str] = mapped_column(default="")


class AccountRow(Base):
    """One of our own accounts: the register of policy 4.2 to 4.4."""

    __tablename__ = "own_account"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    platform: Mapped[str] = mapped_column(String(40))
    url: Mapped[str]
    owner: Mapped[str]
    email: Mapped[str] = mapped_column(default="")
    two_step: Mapped[bool] = mapped_column(default=False)
    approved: Mapped[bool] = mapped_column(default=False)
    reviewed_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(default="")
    removed_at: Mapped[datetime | None]


class ToolTokenRow(Base):
    """What a tool may do by the JSON interface. The id is a keyed hash of the token."""

    __tablename__ = "tool_token"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str]
    scopes: Mapped[list[Any]] = mapped_column(default=list)
    made_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(default="")
    ended_at: Mapped[datetime | None]


class AuditHeadRow(Base):
    """The end of the audit chain; writers take turns at this one row."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(BigInteger)
    chain: Mapped[str] = mapped_column(String(64))
    keyed: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the rows are chained with the install key; ones from before that were not."""
