"""The forgetting job: what a platform's terms or our own limits no longer let us keep goes, everywhere, on time.

The moment at which words and names must go stands with each mention (``text_until``, ``author_until``); this job
enforces it and writes a report of counts that can be shown to the regulator (settled questions, 4; R-D5).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from alerts.model import Severity
from monitor.app import App
from monitor.model import IncidentState
from monitor.store import search
from monitor.store.tables import (
    AlertRow,
    DeafRow,
    IncidentAccountRow,
    IncidentRow,
    KeptFormRow,
    LinkUseRow,
    LogRow,
    MentionRow,
    QuarantineRow,
    ReportRow,
    SessionRow,
    SpendingRow,
    TallyRow,
    ToldRow,
)
from monitor.terms import Terms

log = logging.getLogger(__name__)

AT_ONCE = 500
"""Mentions forgotten in one transaction, so that alerts never wait for long."""

OUTBOX_KEPT = timedelta(days=90)
LINKS_KEPT = timedelta(days=60)
VISITS_KEPT = timedelta(days=30)
"""Who was signed in, by keyed hash."""
FORMS_KEPT = timedelta(days=1)
"""What was sent after a session had ended, and not sent on since."""
ACCOUNTS_KEPT = timedelta(days=30)
"""How long the hashes of distinct accounts are kept after an incident was closed."""

_WORDS = ("text", "author_name", "author_handle", "author_id")


def forget(app: App, now: datetime) -> dict[str, int]:
    """Forget what is due at ``now`` and return counts by what was forgotten. Safe to call at any time."""
    counts: Counter[str] = Counter()
    for work in (_words, _authors):
        while done := app.database.in_transaction(lambda s, w=work: w(s, now)):  # type: ignore[misc]
            counts.update(done)
    counts.update(app.database.in_transaction(lambda s: _low(s, app, now)))
    counts.update(app.database.in_transaction(lambda s: _rows(s, app, now)))
    forgotten = {name: count for name, count in counts.items() if count}
    if forgotten:
        app.database.in_transaction(lambda s: _report(s, forgotten, now))
        if "texts" in forgotten:
            app.database.in_transaction(search.purge)
        app.database.fold_log()
        log.info("forgotten", extra=dict(forgotten))
    return forgotten


def say(counts: Mapping[str, int]) -> str:
    """The report in words."""
    if not counts:
        return "Nothing was due to be forgotten."
    return "Forgotten: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) + "."


def cleared() -> dict[str, Any]:
    """The column values of a mention whose words and author are forgotten."""
    return {**dict.fromkeys(_WORDS), "text_until": None, "author_until": None, "recheck_at": None}


def without_words(signals: list[Any]) -> list[Any]:
    """Signals that still say which rule spoke, but no longer in whose words."""
    return [{**signal, "words": ""} for signal in signals]


def _words(session: Session, now: datetime) -> dict[str, int]:
    due = session.scalars(
        select(MentionRow).where(MentionRow.text_until <= now).order_by(MentionRow.text_until).limit(AT_ONCE)
    ).all()
    for row in due:
        for name, value in cleared().items():
            setattr(row, name, value)
        row.signals = without_words(row.signals)
        row.status = "gone" if row.status == "gone" else "forgotten"
        search.forget(session, row.id)
    return {"texts": len(due)} if due else {}


def _authors(session: Session, now: datetime) -> dict[str, int]:
    due = session.scalars(
        select(MentionRow).where(MentionRow.author_until <= now).order_by(MentionRow.author_until).limit(AT_ONCE)
    ).all()
    for row in due:
        row.author_name = row.author_handle = row.author_id = row.author_until = None
    return {"authors": len(due)} if due else {}


def _low(session: Session, app: App, now: datetime) -> dict[str, int]:
    """Our own limits: what never alerted is kept shorter than the platform would allow (R-D5)."""
    privacy = app.settings.privacy
    due = session.scalars(
        select(MentionRow)
        .where(
            MentionRow.text_until.is_not(None),
            or_(
                and_(MentionRow.severity < int(Severity.ALERT), MentionRow.first_seen_at <= now - privacy.watch_kept),
                MentionRow.first_seen_at <= now - privacy.alerted_kept,
            ),
        )
        .limit(5 * AT_ONCE)
    ).all()
    for row in due:
        row.text_until = now
    session.flush()
    return _words(session, now) if due else {}


def _rows(session: Session, app: App, now: datetime) -> dict[str, int]:
    """Rows that have served their time in every table."""
    counts: dict[str, int] = {}

    def drop(name: str, statement: Any) -> None:
        counts[name] = int(session.execute(statement).rowcount)  # type: ignore[attr-defined]

    for platform in session.scalars(select(MentionRow.platform).distinct()).all():
        kept = _terms(app, platform).trends_kept
        drop(
            f"{platform} mentions",
            delete(MentionRow).where(
                MentionRow.platform == platform,
                MentionRow.first_seen_at <= now - kept,
                MentionRow.text_until.is_(None),
            ),
        )
        drop(f"{platform} counts", delete(TallyRow).where(TallyRow.platform == platform, TallyRow.hour <= now - kept))
    drop("quarantined", delete(QuarantineRow).where(QuarantineRow.until <= now))
    done = or_(
        AlertRow.delivered_at.is_not(None), AlertRow.superseded_at.is_not(None), AlertRow.refused_at.is_not(None)
    )
    drop("outbox entries", delete(AlertRow).where(done, AlertRow.made_at <= now - OUTBOX_KEPT))
    drop("unsent forms", delete(KeptFormRow).where(KeptFormRow.at <= now - FORMS_KEPT))
    drop("ended sessions", delete(SessionRow).where(SessionRow.until <= now - VISITS_KEPT))
    drop("used links", delete(LinkUseRow).where(LinkUseRow.used_at <= now - LINKS_KEPT))
    year = now - timedelta(days=395)
    drop("notes of what was said once", delete(ToldRow).where(ToldRow.at <= year))
    drop("deaf times", delete(DeafRow).where(DeafRow.ended_at <= year))
    drop("old spending", delete(SpendingRow).where(SpendingRow.period < f"{year:%Y-%m}"))
    closed = select(IncidentRow.id).where(
        IncidentRow.state == IncidentState.CLOSED.value, IncidentRow.closed_at <= now - ACCOUNTS_KEPT
    )
    drop("account hashes", delete(IncidentAccountRow).where(IncidentAccountRow.incident_id.in_(closed)))
    drop("incidents", _old_incidents(session, now - app.settings.privacy.incidents_kept))
    return counts


def _old_incidents(session: Session, before: datetime) -> Any:
    old = list(session.scalars(select(IncidentRow.id).where(IncidentRow.last_seen_at <= before)))
    session.execute(update(MentionRow).where(MentionRow.incident_id.in_(old)).values(incident_id=None))
    session.execute(delete(AlertRow).where(AlertRow.incident_id.in_(old)))
    session.execute(delete(LogRow).where(LogRow.incident_id.in_(old)))
    session.execute(delete(IncidentAccountRow).where(IncidentAccountRow.incident_id.in_(old)))
    return delete(IncidentRow).where(IncidentRow.id.in_(old))


def _terms(app: App, platform: str) -> Terms:
    return app.terms.get(platform, app.terms["other"])


def _report(session: Session, counts: Mapping[str, int], now: datetime) -> None:
    """One report a day, growing: what was forgotten, in counts only."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    row = session.scalar(select(ReportRow).where(ReportRow.at >= day).order_by(ReportRow.id.desc()).limit(1))
    if row is None:
        session.add(ReportRow(at=now, counts=dict(counts)))
        return
    row.counts = dict(Counter(row.counts) + Counter(counts))


def overdue(session: Session, now: datetime) -> int:
    """Texts that should be gone already: 0 whenever the job runs."""
    return session.scalar(select(func.count()).where(MentionRow.text_until <= now - timedelta(minutes=30))) or 0
