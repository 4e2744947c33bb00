"""Whether we can hear: coverage per platform, deafness as a state, and who is told of it in plain words.

An empty answer is not the same as quiet: connectors say when their canary did not come back (``suspect``), and a
platform that answers without anything at all for ``silent_after`` is deaf too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.model import CoverageLine, MailKind
from connectors.errors import ConnectorError, CredentialsRejected, RateLimited, SetupRejected, UnexpectedReply
from connectors.model import Batch, Finding
from monitor.clock import say_duration, say_moment
from monitor.outbox import Desk, say_once
from monitor.store.tables import DeafRow, PlatformRow


class NotKept(UnexpectedReply):
    """What a platform showed could not be stored: the disk is full, or a row breaks the database."""


NEEDS_A_PERSON = frozenset({CredentialsRejected.__name__, SetupRejected.__name__, NotKept.__name__})
"""Faults that no waiting mends: the operator is told at the second one in a row, not after ``deaf_after``."""

CEO_AFTER = 4
"""A platform deaf for this many times ``deaf_after`` is told to the CEO too."""

TOKEN_DAYS = (14, 7, 3, 1)
"""Days before a token's end on which the operator is told."""

STEADY_FOR = timedelta(minutes=5)
FLAPS_WITHIN = timedelta(hours=6)
"""A platform that fails and recovers again and again is one trouble: "heard again" waits ``STEADY_FOR``, or
``deaf_after`` where that is shorter, for each spell of deafness within this time; nobody is told anew before that."""

NAMES = {"x": "X", "facebook": "Facebook", "instagram": "Instagram", "linkedin": "LinkedIn", "youtube": "YouTube"}


def say_platform(name: str) -> str:
    """The platform's name as people write it."""
    return NAMES.get(name, name.capitalize())


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a platform may be deaf or silent before somebody is told (``[alerts]``)."""

    deaf_after: timedelta
    silent_after: timedelta


# ── after a poll, inside its transaction ────────────────────────────────────────────────────────────


def heard(session: Session, row: PlatformRow, batch: Batch, started: datetime) -> None:
    """Write down a poll that succeeded. ``started`` is when it was asked: what came later may be missing."""
    row.heard_at = started
    row.failing_since, row.failures, row.error_class, row.error, row.error_do = None, 0, "", "", ""
    row.retry_at = None
    coverage = batch.coverage
    if not batch.more:
        row.heard_until = _later(row.heard_until, coverage.heard_until or started)
    if batch.mentions:
        row.something_at = started
    elif row.something_at is None:
        row.something_at = started  # silence is counted from the first answer
    if coverage.never_shows:
        row.never_shows = list(coverage.never_shows)
    row.faults = [{"stream": f.stream, "what": f.what, "do": f.do} for f in coverage.faults]
    row.gap = coverage.gap or row.gap
    row.usage = batch.usage if batch.usage is not None else row.usage
    if coverage.suspect:
        row.suspect, row.suspect_since = coverage.suspect, row.suspect_since or started
        _deafen(session, row.name, row.suspect_since, coverage.suspect)
    elif not batch.more:
        row.suspect, row.suspect_since = "", None
        _hear_again(session, row.name, started)


def failed(session: Session, row: PlatformRow, error: ConnectorError, now: datetime) -> None:
    """Write down a poll that failed."""
    row.failures += 1
    row.failing_since = row.failing_since or now
    row.error_class, row.error, row.error_do = type(error).__name__, error.what, error.do
    # the platform's word is kept to across restarts; our own allowance may have been raised meanwhile
    row.retry_at = error.retry_at if error.code != "allowance" else None
    since = row.heard_until or row.failing_since
    _deafen(session, row.name, min(since, row.failing_since), error.what)


def _deafen(session: Session, platform: str, since: datetime, why: str) -> None:
    row = _open_deaf_time(session, platform)
    if row is None:
        session.add(DeafRow(platform=platform, began_at=since, why=why))
    else:
        row.why = why


def _hear_again(session: Session, platform: str, now: datetime) -> None:
    row = _open_deaf_time(session, platform)
    if row is not None:
        row.ended_at = now


def _open_deaf_time(session: Session, platform: str) -> DeafRow | None:
    return session.scalar(
        select(DeafRow)
        .where(DeafRow.platform == platform, DeafRow.ended_at.is_(None))
        .order_by(DeafRow.id.desc())
        .limit(1)
    )


def _later(known: datetime | None, new: datetime) -> datetime:
    return new if known is None else max(known, new)


# ── telling, from the watch loop ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Deafness:
    """That a platform is deaf, since when, why and what to do."""

    platform: str
    since: datetime
    why: str
    do: str
    urgent: bool = False
    """Needs a person, or is sure to last, so it is told without waiting for ``deaf_after``."""
    kind: str = ""
    """The class of the error, with its words where a person must act on them; empty where the platform answers, but
    with nothing."""


def deafness(row: PlatformRow, limits: Limits, now: datetime) -> Deafness | None:
    """Whether a platform is deaf now. Pure but for the row's values."""
    if row.failing_since is not None:
        paused = row.error_class == RateLimited.__name__
        ends = row.retry_at or row.due_at
        soon = ends <= now + limits.deaf_after and now - row.failing_since < limits.deaf_after
        if paused and soon and row.told_operator_at is None:
            return None  # an ordinary pause at the platform's word
        lasts = (paused or row.retry_at is not None) and ends - row.failing_since > limits.deaf_after
        needs_a_person = row.error_class in NEEDS_A_PERSON
        return Deafness(
            row.name,
            min(row.heard_until or row.failing_since, row.failing_since),
            row.error,
            row.error_do,
            urgent=(needs_a_person and row.failures >= 2) or ((needs_a_person or paused) and lasts),
            kind=f"{row.error_class} {row.error}" if needs_a_person else row.error_class,
        )
    if row.suspect and row.suspect_since is not None:
        do = "Compare with what you see on the platform itself, then run `earshot doctor`."
        return Deafness(row.name, row.suspect_since, row.suspect, do)
    if row.something_at is not None and now - row.something_at >= limits.silent_after:
        silent = say_duration(now - row.something_at)
        return Deafness(
            row.name,
            row.something_at,
            f"It answers, but has shown nothing at all for {silent}.",
            "Look whether this is true on the platform itself; if not, run `earshot doctor`.",
            urgent=True,
        )
    return None


def watch(session: Session, desk: Desk, names: Iterable[str], limits: Limits, now: datetime) -> None:
    """Tell the operator of every deaf platform, the CEO when it lasts, and both when it is heard again."""
    for name in names:
        row = session.get(PlatformRow, name)
        if row is None:
            continue
        _announce_token(session, desk, row, now)
        _tell_faults(session, desk, row, now)
        deaf = deafness(row, limits, now)
        if deaf is None:
            _tell_heard_again(session, desk, row, limits, now)
            continue
        lasted = now - deaf.since
        is_ripe = deaf.urgent or lasted >= limits.deaf_after
        if row.told_operator_at is None and is_ripe:
            row.told_operator_at = now
            _is_another_fault(session, row, deaf, now)
            _owe_deaf(session, desk, "operator", deaf, now)
        elif row.told_operator_at is not None and is_ripe and _is_another_fault(session, row, deaf, now):
            _owe_deaf(session, desk, "operator", deaf, now)
        if row.told_ceo_at is None and lasted >= limits.deaf_after * CEO_AFTER:
            row.told_ceo_at = now
            _owe_deaf(session, desk, "ceo", deaf, now)


def _is_another_fault(session: Session, row: PlatformRow, deaf: Deafness, now: datetime) -> bool:
    """Whether this is a fault of a kind that the operator was not told of since the trouble began: who was told of an
    outage does not know that the token was refused meanwhile, and who mended the token, not of an outage after it."""
    if row.told_operator_at is None:
        return False
    return say_once(session, f"deaf:{row.name}:{row.told_operator_at.isoformat()}:{_short(deaf.kind)}", now)


def _short(kind: str) -> str:
    return blake2b(kind.encode(), digest_size=6).hexdigest()


SUMMARY_WAIT = timedelta(hours=1)
"""How long the summary of the first run waits for platforms that are still being read."""

SUMMARY_UNTIL = timedelta(days=30)
"""When it no longer comes: that it was sent is remembered for a year only."""


def sum_up_first_run(session: Session, desk: Desk, names: Iterable[str], now: datetime) -> None:
    """Once, when the past has been taken in quietly: one summary to the CEO and the operator instead of a flood."""
    rows = [row for row in (session.get(PlatformRow, name) for name in names) if row is not None]
    begun = [row.first_poll_at for row in rows if row.first_poll_at is not None]
    swept = [row for row in rows if row.first_sweep_at is not None]
    if begun and now - min(begun) > SUMMARY_UNTIL:
        return
    if not swept or (len(swept) < len(rows) and now - min(begun) < SUMMARY_WAIT):
        return
    if not say_once(session, "first run", now):
        return
    for role in ("ceo", "operator"):
        recipient = desk.person(session, role)
        if recipient is not None:
            facts = {"platforms": sorted(row.name for row in swept)}
            desk.owe(session, "first_run", MailKind.REPORT, recipient, now, key="first run", facts=facts)


def _owe_deaf(session: Session, desk: Desk, role: str, deaf: Deafness, now: datetime) -> None:
    recipient = desk.person(session, role) or desk.person(session, "ceo")
    if recipient is None:
        return
    facts = {
        "platform": deaf.platform,
        "since": deaf.since.isoformat(),
        "why": deaf.why,
        "do": deaf.do,
        "to_ceo": role == "ceo",
    }
    key = f"{deaf.platform}:{deaf.since.isoformat()}:{_short(deaf.kind)}"
    desk.owe(session, "deaf", MailKind.DEAF, recipient, now, key=key, facts=facts)


def _tell_faults(session: Session, desk: Desk, row: PlatformRow, now: datetime) -> None:
    """A part of a platform that cannot be heard is told to the operator once a month: it wants a person's hand."""
    for fault in row.faults:
        if say_once(session, f"fault:{row.name}:{fault['stream']}:{now:%Y-%m}"[:200], now):
            facts = {
                "platform": row.name,
                "since": now.isoformat(),
                "part": fault["stream"],
                "why": fault["what"],
                "do": fault["do"],
            }
            key = f"fault:{row.name}:{fault['stream']}:{now:%Y-%m}"
            desk.owe_to_operator(session, "deaf", MailKind.DEAF, now, key=key, facts=facts)


def _tell_heard_again(session: Session, desk: Desk, row: PlatformRow, limits: Limits, now: datetime) -> None:
    if row.told_operator_at is None and row.told_ceo_at is None:
        return
    last = session.scalar(select(DeafRow).where(DeafRow.platform == row.name).order_by(DeafRow.id.desc()).limit(1))
    if last is not None and last.ended_at is not None and now - last.ended_at < _steady(session, row.name, limits, now):
        return  # it may fail again in a moment, and then nobody wants two more mails
    facts: dict[str, Any] = {
        "platform": row.name,
        "since": last.began_at.isoformat() if last else None,
        "until": (row.heard_at or now).isoformat(),
        "gap": row.gap,
    }
    for role, told_at in (("operator", row.told_operator_at), ("ceo", row.told_ceo_at)):
        recipient = desk.person(session, role) if told_at else None
        if recipient is None and role == "operator" and told_at:
            recipient = desk.person(session, "ceo")
        if recipient is not None and told_at is not None:
            key = f"{row.name}:{told_at.isoformat()}"
            desk.owe(session, "heard_again", MailKind.DEAF, recipient, now, key=key, facts=facts)
    row.told_operator_at = row.told_ceo_at = None


def _steady(session: Session, platform: str, limits: Limits, now: datetime) -> timedelta:
    """How long a platform must be heard without a break before that is told: the longer, the more often it failed."""
    spells = session.scalar(
        select(func.count()).where(DeafRow.platform == platform, DeafRow.began_at > now - FLAPS_WITHIN)
    )
    return min(min(STEADY_FOR, limits.deaf_after) * max(1, spells or 0), FLAPS_WITHIN / 2)


def note_findings(session: Session, row: PlatformRow, findings: Iterable[Finding], now: datetime) -> None:
    """Remember from a look at the set-up when the token ends."""
    row.examined_at = now
    ends = [f.expires_at for f in findings if f.expires_at is not None]
    if ends:
        row.token_ends_at = min(ends)


def _announce_token(session: Session, desk: Desk, row: PlatformRow, now: datetime) -> None:
    if row.token_ends_at is None or row.token_ends_at <= now:
        return
    left = row.token_ends_at - now
    due = [days for days in TOKEN_DAYS if left <= timedelta(days=days)]
    if not due or not say_once(session, f"token:{row.name}:{row.token_ends_at:%Y-%m-%d}:{min(due)}", now):
        return
    facts = {
        "platform": row.name,
        "ends_at": row.token_ends_at.isoformat(),
        "days": max(1, round(left / timedelta(days=1))),
    }
    desk.owe_to_operator(
        session,
        "token_ends",
        MailKind.DEAF,
        now,
        key=f"{row.name}:{row.token_ends_at:%Y-%m-%d}:{min(due)}",
        facts=facts,
    )


# ── coverage, for every mail, digest and page ───────────────────────────────────────────────────────


def coverage_lines(session: Session, now: datetime, zone: ZoneInfo) -> tuple[CoverageLine, ...]:
    """One line for each platform in use: heard until when, deaf since when and why, and what it never shows."""
    rows = session.scalars(select(PlatformRow).where(PlatformRow.in_use.is_(True)).order_by(PlatformRow.name)).all()
    return tuple(_line(row, now, zone) for row in rows)


def _line(row: PlatformRow, now: datetime, zone: ZoneInfo) -> CoverageLine:
    name = say_platform(row.name)
    shown = [str(what).rstrip(". ") for what in row.never_shows]
    never = f" Never shown to us: {'; '.join(shown)}." if shown else ""
    if row.failing_since is not None:
        since = min(row.heard_until or row.failing_since, row.failing_since)
        return CoverageLine(name, True, f"not heard since {say_moment(since, zone, now=now)}: {row.error}{never}")
    if row.suspect and row.suspect_since is not None:
        since = row.suspect_since
        return CoverageLine(name, True, f"in doubt since {say_moment(since, zone, now=now)}: {row.suspect}{never}")
    if row.heard_until is None:
        text = "being read for the first time" if row.heard_at else "not heard yet"
        return CoverageLine(name, True, f"{text}.{never}")
    faults = "".join(f" Not heard: {fault['what']}" for fault in row.faults)
    gap = f" A gap that cannot be filled: {row.gap}" if row.gap else ""
    return CoverageLine(
        name, bool(row.faults), f"heard until {say_moment(row.heard_until, zone, now=now)}.{faults}{gap}{never}"
    )
