"""The after-action report: what happened, who decided what and when, how fast, what was missed. In the organisation's
words only: no post is quoted, and names of third persons do not stand in it (R-C3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from monitor import registers, takeovers
from monitor.actions import TOLD
from monitor.cards import Cards
from monitor.clock import say_duration, say_moment
from monitor.hearing import say_platform
from monitor.notices import headline_of
from monitor.outbox import ROLE_WORDS
from monitor.store.tables import (
    AlertRow,
    DeafRow,
    FeedbackRow,
    IncidentRow,
    LogRow,
    MentionRow,
    StatementRow,
    TakeoverRow,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline."""

    at: datetime
    who: str
    what: str


@dataclass(frozen=True, slots=True)
class AfterAction:
    """All that the report says."""

    incident: IncidentRow
    headline: str
    until: datetime
    figures: tuple[tuple[str, str], ...]
    timeline: tuple[Line, ...]
    registers: tuple[tuple[str, str], ...]
    own_posts: tuple[tuple[str, str, str], ...]
    missed: tuple[str, ...]
    gaps: tuple[str, ...]
    statements: tuple[StatementRow, ...]


def after_action(session: Session, cards: Cards, row: IncidentRow, now: datetime, zone: ZoneInfo) -> AfterAction:
    """The report on an incident, as far as it has come."""
    until = row.closed_at or now
    return AfterAction(
        row,
        headline_of(row, cards.for_category(row.category, row.source)),
        until,
        _figures(session, row),
        _timeline(session, row, until),
        tuple((registers.BODIES[body], _say_answer(session, row.id, body)) for body in registers.BODIES),
        _own_posts(session, row, until, zone),
        tuple(
            f"{say_moment(f.at, zone)}: {f.reason or 'no reason given'}"
            for f in session.scalars(
                select(FeedbackRow).where(
                    FeedbackRow.incident_id == row.id, FeedbackRow.verdict == "should have told me"
                )
            )
        ),
        _gaps(session, row, until, zone),
        tuple(
            session.scalars(
                select(StatementRow)
                .where(StatementRow.incident_id == row.id, StatementRow.approved_at.is_not(None))
                .order_by(StatementRow.id)
            )
        ),
    )


def _figures(session: Session, row: IncidentRow) -> tuple[tuple[str, str], ...]:
    first, heard = session.execute(
        select(func.min(MentionRow.posted_at), func.min(MentionRow.first_seen_at)).where(
            MentionRow.incident_id == row.id
        )
    ).one()
    told = session.scalar(
        select(func.min(AlertRow.delivered_at)).where(
            AlertRow.incident_id == row.id, AlertRow.template.in_(["alert", "tip", "roundup"])
        )
    )
    begun = session.scalars(select(TakeoverRow).where(TakeoverRow.verb == "begin").order_by(TakeoverRow.id)).all()
    taken = next((t.at for t in begun if t.facts.get("incident") == row.id), None)
    pairs = [
        ("Posts", _posts(session, row)),
        ("To hear", _between(first, heard, "after the first post")),
        ("To tell", _between(row.opened_at, told, "after it was heard") if told else "not told by mail"),
        ("To acknowledge", _between(row.opened_at, row.acknowledged_at, "after it was heard")),
        ("To take over", _between(row.opened_at, taken, "after it was heard") if taken else "no takeover"),
        ("To close", _between(row.opened_at, row.closed_at, "after it was heard")),
    ]
    return tuple((label, text) for label, text in pairs if text)


def _posts(session: Session, row: IncidentRow) -> str:
    """The posts by platform: some may not be added up (settled questions, 4)."""
    counted = session.execute(
        select(MentionRow.platform, func.count())
        .where(MentionRow.incident_id == row.id)
        .group_by(MentionRow.platform)
        .order_by(MentionRow.platform)
    ).all()
    return ", ".join(f"{number:,} on {say_platform(name)}" for name, number in counted) or "none on any platform"


def _between(since: datetime | None, until: datetime | None, after: str) -> str:
    return f"{say_duration(until - since)} {after}" if since is not None and until is not None else "not yet"


def _timeline(session: Session, row: IncidentRow, until: datetime) -> tuple[Line, ...]:
    lines = [
        Line(entry.at, _teller(entry.who), TOLD)
        if entry.what.startswith(TOLD)
        else Line(entry.at, entry.who, entry.what)
        for entry in session.scalars(select(LogRow).where(LogRow.incident_id == row.id).order_by(LogRow.id).limit(500))
    ]
    for alert in session.scalars(
        select(AlertRow).where(AlertRow.incident_id == row.id, AlertRow.delivered_at.is_not(None)).limit(200)
    ):
        if alert.delivered_at is not None:
            lines.append(Line(alert.delivered_at, "Earshot", f"Told {alert.name} by {alert.channel}."))
    for turn in session.scalars(
        select(TakeoverRow).where(TakeoverRow.at >= row.opened_at, TakeoverRow.at <= until).order_by(TakeoverRow.id)
    ):
        if turn.facts.get("incident") == row.id and turn.verb not in {"begin", "end"}:
            lines.append(Line(turn.at, turn.by, f"Takeover: {turn.verb}."))
    return tuple(sorted(lines, key=lambda line: line.at))


def _teller(who: str) -> str:
    """Who told of it: one of us by name, or somebody whose name does not belong into a report."""
    ours = any(who.endswith(f"({role})") for role in ROLE_WORDS.values())
    return who if ours else "Somebody"


def _say_answer(session: Session, incident: str, body: str) -> str:
    row = registers.answers(session, incident).get(body)
    if row is None:
        return "not yet decided"
    because = (
        f", because {row.reason}" if row.reason and row.answer == "not" else f" ({row.reason})" if row.reason else ""
    )
    return f"{registers.ANSWERS[row.answer]}{because}; {row.who}"


def _own_posts(session: Session, row: IncidentRow, until: datetime, zone: ZoneInfo) -> tuple[tuple[str, str, str], ...]:
    posts = takeovers.own_posts_during(session, row.opened_at, until)
    breaches = {a.get("mention") for a in session.scalars(select(AlertRow.facts).where(AlertRow.template == "breach"))}
    return tuple(
        (
            say_moment(post.posted_at, zone),
            say_platform(post.platform),
            "allowed" if post.allowed_at is not None else "a breach of the takeover" if post.id in breaches else "seen",
        )
        for post in posts[:100]
    )


def _gaps(session: Session, row: IncidentRow, until: datetime, zone: ZoneInfo) -> tuple[str, ...]:
    rows = session.scalars(
        select(DeafRow)
        .where(DeafRow.began_at < until, (DeafRow.ended_at.is_(None)) | (DeafRow.ended_at > row.opened_at))
        .order_by(DeafRow.began_at)
        .limit(50)
    )
    return tuple(
        f"{say_platform(gap.platform)}: from {say_moment(gap.began_at, zone)} to "
        f"{say_moment(gap.ended_at, zone) if gap.ended_at else 'now'}: {gap.why}"
        for gap in rows
    )
