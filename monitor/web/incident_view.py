"""An incident as a page shows it: plain values, chosen by the platform's terms and by who is looking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.model import Card, CoverageLine, Severity
from monitor import excerpts, hearing, takeovers
from monitor.actions import TOLD, Actor
from monitor.cards import Advice
from monitor.escalation import SERIOUS, may_be_closed_by_link
from monitor.excerpts import KINDS, Ground
from monitor.intake import incident_of
from monitor.model import Category, IncidentState
from monitor.notices import headline_of
from monitor.outbox import ROLE_WORDS
from monitor.store.tables import IncidentRow, LogRow, MentionRow
from monitor.visibility import (
    STAND_IN,
    Deed,
    Person,
    hidden_from,
    may_act,
    may_read,
    may_read_entry,
    may_read_post,
    posts_readable_by,
)
from monitor.web.house import House

SHOWN = 40
"""Mentions on an incident's page, the gravest and newest first; the rest is counted and searchable."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reason of one mention."""

    sentence: str
    clause: str
    rule: str
    words: str


@dataclass(frozen=True, slots=True)
class Post:
    """A mention as the page shows it. ``text`` is None where ``why_no_text`` says why."""

    id: int
    platform: str
    kind: str
    when: datetime
    severity: int
    text: str | None
    why_no_text: str
    author: str
    url: str
    figures: str
    language: str
    reasons: tuple[Reading, ...]
    until: datetime | None = None
    edited_at: datetime | None = None
    categories: tuple[str, ...] = ()
    sentiment: float | None = None
    incident: str = ""
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the decision log."""

    at: datetime
    who: str
    what: str


@dataclass(frozen=True, slots=True)
class IncidentView:
    """All that an incident's page says."""

    id: str
    headline: str
    severity: int
    state: str
    sentence: str
    where: str
    reach: str
    growth: str
    moment: str
    summary: str
    tip_link: str
    card: Card
    advice: Advice
    posts: tuple[Post, ...]
    more: int
    adds_up: bool
    hidden: bool
    log: tuple[Entry, ...]
    coverage: tuple[CoverageLine, ...]
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str
    closed_at: datetime | None
    closed_by: str
    about: tuple[str, ...]
    may_be_for_ceo: bool
    stands_in: bool
    """Whether the reader was asked to ring somebody."""
    has_rung: bool
    """Whether the reader has said that they have, though it is for others to take care of."""
    drill: bool
    history: bool
    closes_by_link: bool
    serious: bool
    takeover: Any
    category: str | None
    source: str

    @property
    def is_open(self) -> bool:
        """Whether nobody has acknowledged it yet."""
        return self.state == IncidentState.OPEN.value

    @property
    def is_closed(self) -> bool:
        """Whether it is over."""
        return self.state == IncidentState.CLOSED.value


def view_of(session: Session, house: House, row: IncidentRow, who: Actor, *, signed_in: bool) -> IncidentView:
    """The incident for somebody who may see it. The words of a closed matter only for CEO and Chair, signed in."""
    app, now = house.app, house.now
    ground = Ground(app.terms, app.settings.organisation, app.settings.zone, now)
    order = (MentionRow.severity.desc(), MentionRow.posted_at.desc())
    first = session.scalars(  # ids first: sorting a storm of 20,000 posts reads the index alone
        select(MentionRow.id).where(MentionRow.incident_id == row.id).order_by(*order).limit(SHOWN)
    ).all()
    rows = session.scalars(select(MentionRow).where(MentionRow.id.in_(first)).order_by(*order)).all()
    advice = app.cards.for_category(row.category, row.source)
    posts = tuple(
        post_of(m, readable=may_read_post(who, m, row, signed_in=signed_in), signed_in=signed_in) for m in rows
    )
    incident = incident_of(row)
    hide_tip = not may_read(who, row, signed_in=signed_in)
    return IncidentView(
        id=row.id,
        headline=headline_of(row, advice),
        severity=row.severity,
        state=row.state,
        sentence=advice.why,
        where=excerpts.where_of(row, rows) or ("A rehearsal" if row.drill else "Told by somebody in the team"),
        reach=excerpts.reach_of(session, row, rows, ground),
        growth=excerpts.growth_of(session, row.id, ground),
        moment=excerpts.moment_of(session, row, ground),
        summary="" if hide_tip else row.summary,
        tip_link="" if hide_tip else row.tip_link,
        card=advice.card,
        advice=advice,
        posts=posts,
        more=max(0, row.mentions - len(posts)) if posts else 0,
        adds_up=excerpts.adds_up(row.platforms, app.terms),
        hidden=hide_tip or any(post.why_no_text == HIDDEN for post in posts),
        log=tuple(
            entry_of(entry, readable=may_read_entry(who, str(who), row, entry, signed_in=signed_in))
            for entry in session.scalars(
                select(LogRow).where(LogRow.incident_id == row.id).order_by(LogRow.id.desc()).limit(200)
            )
        ),
        coverage=hearing.coverage_lines(session, now, app.settings.zone),
        opened_at=row.opened_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        about=tuple(sorted(ROLE_WORDS.get(role, role) for role in hidden_from(row))),
        may_be_for_ceo=may_act(who, row, Deed.FOR_CEO),
        stands_in=who.role == STAND_IN and may_act(who, row, Deed.ACKNOWLEDGE),
        has_rung=who.role == STAND_IN and row.rung_at is not None,
        drill=row.drill,
        history=row.history,
        closes_by_link=may_be_closed_by_link(incident),
        serious=Category.named(row.category) in SERIOUS or row.severity >= Severity.CRISIS,
        takeover=takeovers.as_seen_by(session, who, signed_in=signed_in),
        category=row.category,
        source=row.source,
    )


FORGOTTEN = (
    "Forgotten: the platform's terms or our own limits no longer let us keep these words. "
    "The link still leads to the post."
)
HIDDEN = "These words are for the CEO and the Chair only, after signing in."


def entry_of(entry: LogRow, *, readable: bool) -> Entry:
    """A line of the decision log. Who told of a matter is as little for everybody as what they said."""
    if readable:
        return Entry(entry.at, entry.who, entry.what)
    return Entry(entry.at, "Somebody" if entry.what.startswith(TOLD) else entry.who, "Words for others to read.")


def readable_ids(session: Session, rows: Sequence[MentionRow], who: Person) -> frozenset[int]:
    """The ids of those of ``rows`` whose words ``who`` may read."""
    ids = [row.id for row in rows]
    found: set[int] = set()
    for start in range(0, len(ids), 500):
        wanted = MentionRow.id.in_(ids[start : start + 500])
        found |= set(session.scalars(select(MentionRow.id).where(wanted, posts_readable_by(who))))
    return frozenset(found)


def post_of(row: MentionRow, *, readable: bool, signed_in: bool) -> Post:
    """A mention as a page shows it, its words as far as the terms and the reader allow. Of one that they may not read
    they see that it is there, and nothing by which to find it.
    """
    text, why = row.text, ""
    if not readable:
        text, why = None, HIDDEN
    elif row.status == "gone":
        text, why = None, "It was taken down by its writer or by the platform, so we do not keep its words."
    elif row.text is None:
        forgotten = row.status == "forgotten"
        why = FORGOTTEN if forgotten else "There are no words, or the platform does not give them."
    readings = tuple(
        Reading(
            str(signal.get("sentence") or ""),
            str(signal.get("clause") or ""),
            str(signal.get("rule") or ""),
            "" if text is None else str(signal.get("words") or "")[:120],
        )
        for signal in row.signals
        if signal.get("sentence") and readable
    )
    author = (row.author_name or row.author_handle or "") if signed_in and readable else ""
    bare = "" if not readable else excerpts.permalink(row.platform, row.external_id, row.url, excerpts.handles_of(row))
    url = row.url if signed_in and readable else bare
    figures = ", ".join(
        excerpts.count(number, noun)
        for number, noun in ((row.shares, "share"), (row.likes, "like"), (row.replies, "answer"))
        if number and readable
    )
    return Post(
        id=row.id,
        platform=row.platform,
        kind=KINDS.get(row.kind, "a post"),
        when=row.posted_at,
        severity=row.severity,
        text=text,
        why_no_text=why,
        author=author,
        url=url,
        figures=figures,
        language=row.language,
        reasons=readings,
        until=row.text_until if readable else None,
        edited_at=row.edited_at if readable else None,
        categories=tuple(str(c) for c in row.categories),
        sentiment=row.sentiment if readable else None,
        incident=row.incident_id or "",
        answered_at=row.answered_at,
    )
