"""The weekly digest: composed once per ISO week under a unique key, whatever restarts, clock changes or outages happen.

Due is a wall-clock time in the organisation's zone; a week that was missed whole is folded into the next digest and
named. The row in the outbox holds no third party's words: the bulletin is made when the mail leaves.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from alerts.mail import compose_digest
from alerts.model import Bulletin, Item, Link, MailKind, Met, PlatformWeeks, Quote, Recipient, Severity
from monitor import audit, hearing, ledger, own_files, people
from monitor.app import App
from monitor.clock import say_duration, say_moment
from monitor.counting import Heard, heard
from monitor.excerpts import Ground, adds_up, handles_of, join, permalink, quote_of
from monitor.learning import weekly_lines
from monitor.links import Holder, Purpose
from monitor.model import IncidentState
from monitor.notices import headline_of
from monitor.settings import DAYS
from monitor.store.tables import (
    AlertRow,
    DeafRow,
    DigestRow,
    IncidentRow,
    MentionRow,
    PlatformRow,
    ReportRow,
)
from monitor.visibility import (
    AT_THE_SERVER,
    LEADERS,
    Person,
    Someone,
    posts_readable_by,
    visible_to,
    waits_for_answer,
)

WEEKS_SHOWN = 6
MOST = 10
"""Entries of a list that a mail shows; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Due:
    """The newest moment at which a digest fell due, and the ISO week it stands for."""

    week: str
    at: datetime


def due_before(now: datetime, app: App) -> Due:
    """The newest due moment not after ``now``, by the organisation's wall clock."""
    digest, zone = app.settings.digest, app.settings.zone
    local = now.astimezone(zone)
    days_back = (local.weekday() - DAYS.index(digest.day)) % 7
    for back in (days_back, days_back + 7):
        day = local.date() - timedelta(days=back)
        moment = datetime.combine(day, digest.at, tzinfo=zone).astimezone(UTC)
        if moment <= now:
            return Due(week_name(day), moment)
    raise AssertionError("one of two weeks lies behind us")


def week_name(day: date) -> str:
    """The ISO week of a local date, such as ``2026-W48``."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def send_when_due(app: App, now: datetime) -> bool:
    """Owe this week's digest when it is due and was not owed before. True when it was owed now."""
    due = due_before(now, app)
    with app.database.read() as session:
        if session.get(DigestRow, due.week) is not None or not _has_begun(session, due.at):
            return False
    return app.database.in_transaction(lambda s: _owe(s, app, due, now))


def _has_begun(session: Session, at: datetime) -> bool:
    """Whether we listened before ``at``: a new installation sends its first digest in its first full week."""
    if session.scalar(select(func.count()).select_from(DigestRow)):
        return True
    first = session.scalar(select(func.min(PlatformRow.first_poll_at)))
    return first is not None and first < at


def _owe(session: Session, app: App, due: Due, now: datetime) -> bool:
    if session.get(DigestRow, due.week) is not None:
        return False
    last = session.scalar(select(DigestRow).order_by(DigestRow.until.desc()).limit(1))
    since = last.until if last is not None else due.at - timedelta(days=7)
    session.add(DigestRow(week=due.week, made_at=now, since=since, until=due.at))
    session.flush()
    facts = {
        "week": due.week,
        "since": since.isoformat(),
        "until": due.at.isoformat(),
        "folded": _folded(last.week if last else None, since, due, app),
    }
    for recipient in _readers(session, app):
        app.desk.owe(session, "digest", MailKind.DIGEST, recipient, now, key=due.week, facts=facts)
    return True


def _readers(session: Session, app: App) -> list[Recipient]:
    ceo, chair = app.desk.person(session, "ceo"), app.desk.person(session, "chair")
    readers = [ceo] if ceo is not None else []
    if chair is not None and (ceo is None or ceo.away or app.desk.is_refused(session, "ceo")):
        readers.append(chair)
    return readers


def _folded(last_week: str | None, since: datetime, due: Due, app: App) -> list[str]:
    """The names of whole weeks between the last digest and this one that had none of their own."""
    if last_week is None:
        return []
    found = []
    moment = due.at - timedelta(days=7)
    while moment > since + timedelta(days=1):
        found.append(week_name(moment.astimezone(app.settings.zone).date()))
        moment -= timedelta(days=7)
    return sorted(found)


def send_now(app: App, *, again: bool) -> str:
    """``earshot digest send``: owe a digest up to now. Returns a sentence."""
    now = app.clock()
    week = week_name(now.astimezone(app.settings.zone).date())

    def work(session: Session) -> str:
        if session.get(DigestRow, week) is None:
            _owe(session, app, Due(week, now), now)
            return f"The digest of {week} is on its way."
        if not again:
            return f"The digest of {week} was sent before; say --again to send one up to now."
        since = now - timedelta(days=7)
        facts = {"week": week, "since": since.isoformat(), "until": now.isoformat(), "folded": []}
        for recipient in _readers(session, app):
            app.desk.owe(
                session, "digest", MailKind.DIGEST, recipient, now, key=f"{week}:{now.isoformat()}", facts=facts
            )
        return f"Another digest of {week} is on its way."

    return app.database.in_transaction(work)


def preview(app: App, out: Path) -> str:
    """Write the digest as it would be mailed now to ``out`` (HTML) and beside it the text, without what is not for
    whoever sits at the server. Returns a sentence."""
    text = out.with_suffix(".txt") if out.suffix != ".txt" else out.with_name(f"{out.name}.txt")
    own_files.refuse(app, out, text)
    now = app.clock()
    with app.database.read() as session:
        bulletin = bulletin_for(
            session, app, since=now - timedelta(days=7), until=now, week="preview", folded=(), reader=AT_THE_SERVER.role
        )
    letter = compose_digest(bulletin, app.people["ceo"], message_id="<preview@localhost>", sent_at=now)
    html = letter.html
    if letter.picture is not None:
        html = html.replace("cid:picture", "data:image/png;base64," + base64.b64encode(letter.picture).decode())
    out.write_text(html, "utf-8")
    text.write_text(letter.text, "utf-8")
    return f"Written to {out} and {text}; nothing was mailed."


def bulletin_of(session: Session, app: App, row: AlertRow) -> Bulletin:
    """The bulletin that an owed digest stands for."""
    facts = row.facts
    return bulletin_for(
        session,
        app,
        since=datetime.fromisoformat(facts["since"]),
        until=datetime.fromisoformat(facts["until"]),
        week=facts["week"],
        folded=tuple(facts.get("folded", ())),
        reader=row.role,
        holder=people.holder_of(session, app.keys, row.role, row.address),
    )


def bulletin_for(
    session: Session,
    app: App,
    *,
    since: datetime,
    until: datetime,
    week: str,
    folded: tuple[str, ...],
    reader: str = "ceo",
    holder: Holder | None = None,
) -> Bulletin:
    """All that the digest says of ``since`` to ``until``, chosen by the platforms' terms; its links are ``holder``'s.

    ``reader`` is the role of whoever reads it: what they may not see stands in it nowhere, counts included.
    """
    zone, now, who = app.settings.zone, app.clock(), Someone(reader)
    questions, more_questions = _quotes(session, app, who, since, until, MentionRow.question.is_(True))
    thanks, more_thanks = _quotes(
        session,
        app,
        who,
        since,
        until,
        MentionRow.thanks.is_(True),
        MentionRow.question.is_(False),
        MentionRow.severity == 0,
    )
    watch, more_watch = _watch(session, app, since, until, who)
    leads = reader in LEADERS  # a signed link is its holder's word: it stands in nobody else's digest
    if holder is None and leads:
        holder = people.holder_of(session, app.keys, reader, app.people[reader].email)
    incidents, more_incidents = _incidents(session, app, since, until, reader, holder)
    weeks, platforms = _weeks(session, app, who, until)
    coverage = hearing.coverage_lines(session, now, zone)
    together = sum((p.counts[-1] or 0) for p in platforms if not p.own)
    asked = _asked(session, app, who, since, until)
    summary = _summary(together, platforms, len(incidents) + more_incidents, asked)
    links: tuple[Link, ...] = ()
    if app.settings.public_url:
        links = (Link("Open Earshot", app.settings.public_url, main=True),)
    return Bulletin(
        organisation=app.settings.organisation.name,
        week=week,
        period=f"{say_moment(since, zone)} to {say_moment(until, zone)}",
        summary=summary,
        folded=folded,
        questions=questions,
        more_questions=more_questions,
        thanks=thanks,
        more_thanks=more_thanks,
        watch=watch,
        more_watch=more_watch,
        incidents=incidents,
        more_incidents=more_incidents,
        weeks=weeks,
        platforms=platforms,
        coverage=coverage,
        deaf=_deaf(session, since, until),
        spending=spending_lines(session, app, now),
        tokens=_tokens(session, app, now),
        forgotten=_forgotten(session, since, until),
        judgement=weekly_lines(session, since, until, who),
        notes=setup_notes(app, now),
        audit_head=audit.head(session),
        links=links,
        without_links="" if links else "Run `earshot incidents` on the server to see more.",
        footer="Earshot listens so that nothing that could hurt a person or the charity goes unheard.",
    )


def _asked(session: Session, app: App, who: Person, since: datetime, until: datetime) -> str:
    """How many questions wait; on platforms that are counted apart, in words of their own."""
    counted = session.execute(
        select(MentionRow.platform, func.count())
        .where(*_waiting(who, since, until, MentionRow.question.is_(True)))
        .group_by(MentionRow.platform)
        .order_by(MentionRow.platform)
    ).all()
    own = {str(p): int(n) for p, n in counted if app.terms.get(p, app.terms["other"]).totals == "own"}
    shared = sum(int(n) for p, n in counted if p not in own)
    apart = "; ".join(f"{hearing.say_platform(name)} {number}" for name, number in own.items())
    return f"{_many(shared, 'question')} waiting for an answer{f' (counted apart: {apart})' if apart else ''}"


def _summary(heard: int, platforms: Sequence[PlatformWeeks], incidents: int, asked: str) -> str:
    apart = "; ".join(f"{p.platform} {p.counts[-1] or 0}" for p in platforms if p.own)
    words = f"{_many(heard, 'mention')} heard"
    if apart:
        words += f" (counted apart: {apart})"
    words = f"{words[:1].upper()}{words[1:]}"
    return f"{words}, {_many(incidents, 'incident')}, {asked}."


def _many(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def _waiting(
    who: Person, since: datetime, until: datetime, *conditions: ColumnElement[bool]
) -> list[ColumnElement[bool]]:
    return [
        MentionRow.first_seen_at > since,
        MentionRow.first_seen_at <= until,
        MentionRow.severity < int(Severity.ALERT),
        waits_for_answer(),
        posts_readable_by(who),
        *conditions,
    ]


def _quotes(
    session: Session, app: App, who: Person, since: datetime, until: datetime, *conditions: ColumnElement[bool]
) -> tuple[tuple[Quote, ...], str]:
    where = _waiting(who, since, until, *conditions)
    rows = session.scalars(select(MentionRow).where(*where).order_by(MentionRow.posted_at).limit(MOST)).all()
    ground = Ground(app.terms, app.settings.organisation, app.settings.zone, app.clock())
    quotes = tuple(quote_of(row, ground) for row in rows)
    return quotes, _left_out(session, where, rows)


def _left_out(session: Session, where: Sequence[ColumnElement[bool]], shown: Sequence[MentionRow]) -> str:
    """How many of a list are not shown, platform by platform: LinkedIn's and YouTube's are never added to others'."""
    counts = session.execute(
        select(MentionRow.platform, func.count())
        .where(*where)
        .group_by(MentionRow.platform)
        .order_by(MentionRow.platform)
    ).all()
    here = Counter(row.platform for row in shown)
    return join([f"{n - here[name]} on {hearing.say_platform(name)}" for name, n in counts if n > here[name]])


def _watch(session: Session, app: App, since: datetime, until: datetime, who: Person) -> tuple[tuple[Item, ...], str]:
    where = [
        MentionRow.first_seen_at > since,
        MentionRow.first_seen_at <= until,
        (MentionRow.severity == int(Severity.WATCH)) | (MentionRow.judged.is_(False)),
        MentionRow.history.is_(False),
    ]
    where.append(posts_readable_by(who))
    rows = session.scalars(select(MentionRow).where(*where).order_by(MentionRow.posted_at.desc()).limit(MOST)).all()
    zone = app.settings.zone
    return (
        tuple(
            Item(
                headline=_watch_words(row),
                severity=Severity.WATCH,
                where=hearing.say_platform(row.platform),
                moment=say_moment(row.posted_at, zone),
                url=permalink(row.platform, row.external_id, row.url, handles_of(row)),
            )
            for row in rows
        ),
        _left_out(session, where, rows),
    )


def _watch_words(row: MentionRow) -> str:
    if not row.judged:
        return f"Could not be judged (language: {row.language})"
    reason = next((s.get("sentence") for s in row.signals if s.get("sentence")), "")
    subject = ", ".join(category.replace("_", " ") for category in row.categories) or "worth a look"
    return f"{subject[0].upper()}{subject[1:]}{f': {reason}' if reason else ''}"


def _incidents(
    session: Session, app: App, since: datetime, until: datetime, reader: str, holder: Holder | None
) -> tuple[tuple[Met, ...], int]:
    where = [
        IncidentRow.opened_at > since,
        IncidentRow.opened_at <= until,
        IncidentRow.history.is_(False),
        IncidentRow.drill.is_(False),
    ]
    where.append(visible_to(Someone(reader)))
    total = session.scalar(select(func.count()).select_from(IncidentRow).where(*where)) or 0
    rows = session.scalars(
        select(IncidentRow).where(*where).order_by(IncidentRow.severity.desc(), IncidentRow.opened_at).limit(MOST)
    ).all()
    return tuple(_met(session, app, row, holder) for row in rows), total - len(rows)


def _met(session: Session, app: App, row: IncidentRow, holder: Holder | None) -> Met:
    posted = session.scalar(select(func.min(MentionRow.posted_at)).where(MentionRow.incident_id == row.id))
    told = session.scalar(
        select(func.min(AlertRow.delivered_at)).where(AlertRow.incident_id == row.id, AlertRow.kind == "alert")
    )
    advice = app.cards.for_category(row.category, row.source)
    closed = ""
    if row.state == IncidentState.CLOSED.value and row.closed_at is not None:
        closed = f"closed after {say_duration(row.closed_at - row.opened_at)}"
    link = app.links.make(Purpose.SEE, holder, row.id, app.clock(), id=f"d{row.id}") if holder else ""
    return Met(
        headline=headline_of(row, advice),
        severity=Severity(row.severity),
        reference=row.id,
        opened=say_moment(row.opened_at, app.settings.zone),
        heard=f"heard {say_duration(row.opened_at - posted)} after it was posted" if posted else "",
        told=f"told after {say_duration(told - row.opened_at)}" if told else "not told by e-mail",
        acknowledged=f"acknowledged after {say_duration(row.acknowledged_at - row.opened_at)}"
        if row.acknowledged_at
        else "not acknowledged",
        closed=closed,
        size=_many(row.mentions, "mention") if adds_up(row.platforms, app.terms) else "",
        url=link,
    )


def _weeks(
    session: Session, app: App, who: Person, until: datetime
) -> tuple[tuple[str, ...], tuple[PlatformWeeks, ...]]:
    zone = app.settings.zone
    local = until.astimezone(zone)
    edges = [
        datetime.combine(local.date() - timedelta(days=7 * n), local.time(), tzinfo=zone).astimezone(UTC)
        for n in range(WEEKS_SHOWN, -1, -1)
    ]
    names = tuple(f"{edge.astimezone(zone).day} {edge.astimezone(zone):%b}" for edge in edges[:-1])
    rows = session.scalars(select(PlatformRow).where(PlatformRow.in_use.is_(True)).order_by(PlatformRow.name)).all()
    every = heard(session, who, edges[0], edges[-1])
    found = []
    for row in rows:
        terms = app.terms.get(row.name, app.terms["other"])
        counts: list[int | None] = []
        moods: list[float | None] = []
        for begin, end in zip(edges, edges[1:], strict=False):
            count, mood = _week(every, row.name, begin, end)
            before = row.first_poll_at is None or row.first_poll_at >= end
            counts.append(None if before and not count else count)
            moods.append(mood if terms.scores else None)
        week = (e for e in every if e.platform == row.name and e.hour >= edges[-2])
        alerts = sum(e.count for e in week if e.severity >= int(Severity.ALERT))
        found.append(
            PlatformWeeks(
                hearing.say_platform(row.name), tuple(counts), tuple(moods), alerts, own=terms.totals == "own"
            )
        )
    return names, tuple(found)


def _week(every: Sequence[Heard], platform: str, begin: datetime, end: datetime) -> tuple[int, float | None]:
    mine = [entry for entry in every if entry.platform == platform and begin <= entry.hour < end]
    moods = sum(entry.mood_count for entry in mine)
    return sum(entry.count for entry in mine), sum(entry.mood_sum for entry in mine) / moods if moods else None


def _deaf(session: Session, since: datetime, until: datetime) -> tuple[str, ...]:
    """Deaf hours per platform, with the last reason."""
    hours: Counter[str] = Counter()
    why: dict[str, str] = {}
    for row in session.scalars(
        select(DeafRow).where(DeafRow.began_at < until, (DeafRow.ended_at.is_(None)) | (DeafRow.ended_at > since))
    ):
        length = min(row.ended_at or until, until) - max(row.began_at, since)
        hours[row.platform] += max(0, int(length.total_seconds()))
        why[row.platform] = row.why
    return tuple(
        f"{hearing.say_platform(name)} was not heard for {say_duration(timedelta(seconds=seconds))}: {why[name]}"
        for name, seconds in sorted(hours.items())
        if seconds >= 60
    )


def spending_lines(session: Session, app: App, now: datetime) -> tuple[str, ...]:
    """What was spent of each allowance in its present period, in words."""
    lines = []
    for station in app.stations.values():
        plan = station.plan()
        left = ledger.left(session, station.name, plan.buckets, now)
        for bucket in plan.buckets:
            used = bucket.amount - left[bucket.name]
            if bucket.unit in {"micro-dollars", "millionths of a dollar"}:
                words = f"{used / 1e6:.2f} of {bucket.amount / 1e6:.2f} US dollars"
            else:
                words = f"{used:,} of {bucket.amount:,} {bucket.unit}"
            period = "this month" if bucket.period.value == "month" else "today"
            lines.append(f"{hearing.say_platform(station.name)}: {words} {period}")
    return tuple(lines)


def _tokens(session: Session, app: App, now: datetime) -> tuple[str, ...]:
    rows = session.scalars(
        select(PlatformRow).where(
            PlatformRow.in_use.is_(True),
            PlatformRow.token_ends_at.is_not(None),
            PlatformRow.token_ends_at < now + timedelta(days=30),
        )
    )
    return tuple(
        f"The token of {hearing.say_platform(row.name)} ends on {say_moment(row.token_ends_at, app.settings.zone)}."
        for row in rows
        if row.token_ends_at is not None
    )


def _forgotten(session: Session, since: datetime, until: datetime) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    for row in session.scalars(
        select(ReportRow).where(ReportRow.at > since - timedelta(days=1), ReportRow.at <= until)
    ):
        counts.update(row.counts)
    return tuple(f"{count} {name}" for name, count in sorted(counts.items()) if count)


def setup_notes(app: App, now: datetime) -> tuple[str, ...]:
    """What is missing or overdue in the set-up, in words; each digest says it until it is done."""
    privacy = app.settings.privacy
    notes: list[str] = []
    if app.settings_fault:
        notes.append(
            f"The settings file was changed and cannot be used; the people of before go on. {app.settings_fault}"
        )
    if not privacy.assessment_date:
        notes.append("The legitimate-interests assessment has no date. Write it, then set [privacy] assessment_date.")
    if not privacy.dpia_date:
        notes.append("The data protection impact assessment has no date. Write it, then set [privacy] dpia_date.")
    if not privacy.contact:
        notes.append("People have no address to write to about their data. Set [privacy] contact.")
    if overdue := policy_overdue(privacy.policy_review, now):
        notes.append(overdue)
    if not app.settings.public_url:
        notes.append("Mails carry no links, because [web] public_url is not set.")
    if app.settings.people.chair is None:
        notes.append("There is no Chair in the settings: nobody is told when the CEO cannot be reached (policy 6.4).")
    return tuple(notes)


def policy_overdue(review: str, now: datetime) -> str:
    """How long the policy's review is overdue, in words; empty when it is not (document control)."""
    try:
        due = date.fromisoformat(review)
    except ValueError:
        return "The date of the policy's next review cannot be read; [privacy] policy_review is written 2026-08-31."
    days = (now.date() - due).days
    if days <= 0:
        return ""
    late = say_duration(timedelta(days=days))
    return f"The review of the social media policy is overdue by {late} (due {due.day} {due:%b %Y})."
