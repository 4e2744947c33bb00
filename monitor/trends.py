"""Rising volume or falling mood by itself: absolute counts with a Poisson floor, a completeness gate and a cool-down.

At a small charity's volume a rule of so many standard deviations is noise (policy and law, 5): one mention more is
three of them. So a rise must be large in absolute numbers and next to impossible by chance, on hours that were heard.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from alerts.model import Severity
from connectors.model import Kind
from monitor.app import App
from monitor.clock import say_moment
from monitor.hearing import say_platform
from monitor.intake import incident_of, new_incident_id
from monitor.model import IncidentState
from monitor.outbox import note
from monitor.store.tables import DeafRow, IncidentRow, MentionRow, PlatformRow, TallyRow
from monitor.visibility import EVERYBODY, posts_visible_to

WINDOW = timedelta(hours=1)
BASELINE = timedelta(days=14)
ENOUGH_HISTORY = timedelta(days=3)
"""Less than this heard before: nothing is known of what is usual."""

COMPLETE = 0.8
"""The share of the baseline's hours that must have been heard (published rules, policy and law, 5)."""

CHANCE = 1e-6
"""How unlikely a count must be by chance, looked at every minute: about one false alarm in years."""

GROWTH = 3.0
"""And how many times the usual it must be: at fifty thousand a day tiny rises are certain, and mean nothing."""

COOL_DOWN = timedelta(hours=6)
MOOD_WINDOW = timedelta(hours=6)
MOOD_POSTS = 20
MOOD_FALL = 0.35


@dataclass(frozen=True, slots=True)
class Rise:
    """That more was said than can be chance: the count in the window, and what is usual for it."""

    count: int
    usual: float


def rise(count: int, past: Sequence[int], *, floor: int) -> Rise | None:
    """Whether ``count`` mentions in the window are a rise over ``past`` (counts of earlier windows of equal length).

    Pure. The usual rate is the upper of the mean and a trimmed recent one, never below one in a day.
    """
    if count < floor or not past:
        return None
    usual = max(sum(past) / len(past), 1 / 24)
    spread = sum((n - usual) ** 2 for n in past) / len(past)
    # talk comes in clumps: where the past varied more than Poisson, the floor is raised in proportion
    clump = max(1.0, spread / usual) if usual > 1 / 24 else 1.0
    if count < GROWTH * usual or poisson_tail(math.ceil(count / clump), usual / clump) > CHANCE:
        return None
    return Rise(count, usual)


def poisson_tail(count: int, mean: float) -> float:
    """The chance of ``count`` or more where ``mean`` is usual; exact for small means, normal beyond 700."""
    if count <= 0:
        return 1.0
    if mean > 700:
        return 0.5 * math.erfc((count - 0.5 - mean) / math.sqrt(2 * mean))
    term = math.exp(-mean)
    below = term
    for k in range(1, count):
        term *= mean / k
        below += term
    return max(0.0, 1.0 - below)


def mood_falls(recent: Sequence[float], usual: Sequence[float]) -> bool:
    """Whether the mood of the last hours lies clearly under what is usual: enough posts, and a large step."""
    if len(recent) < MOOD_POSTS or len(usual) < MOOD_POSTS:
        return False
    now, before = sum(recent) / len(recent), sum(usual) / len(usual)
    error = math.sqrt(_variance(recent, now) / len(recent) + _variance(usual, before) / len(usual))
    return before - now >= MOOD_FALL and before - now >= 4 * error


def _variance(values: Sequence[float], mean: float) -> float:
    return sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)


def look(app: App, now: datetime) -> list[str]:
    """Open an incident for each platform whose volume rises or whose mood falls. Returns their ids."""

    def work(session: Session) -> list[str]:
        opened: list[str] = []
        for row in session.scalars(select(PlatformRow).where(PlatformRow.in_use.is_(True))):
            if row.first_sweep_at is None or now - row.first_sweep_at < ENOUGH_HISTORY or row.failing_since is not None:
                continue
            if not _is_complete(session, row.name, now):
                continue
            opened += _volume(app, session, row.name, now)
            opened += _mood(app, session, row.name, now)
        return opened

    return app.database.in_transaction(work)


def _is_complete(session: Session, platform: str, now: datetime) -> bool:
    since = now - BASELINE
    deaf = timedelta()
    for row in session.scalars(
        select(DeafRow).where(DeafRow.platform == platform, (DeafRow.ended_at.is_(None)) | (DeafRow.ended_at > since))
    ):
        deaf += (row.ended_at or now) - max(row.began_at, since)
    return deaf <= BASELINE * (1 - COMPLETE)


def _volume(app: App, session: Session, platform: str, now: datetime) -> list[str]:
    if _is_cooling(session, platform, "volume", now):
        return []
    others = and_(MentionRow.platform == platform, MentionRow.kind != Kind.OWN_POST.value, posts_visible_to(EVERYBODY))
    count = session.scalar(
        select(func.count()).where(others, MentionRow.posted_at > now - WINDOW, MentionRow.history.is_(False))
    )
    first = session.scalar(select(func.min(TallyRow.hour)).where(TallyRow.platform == platform))
    if not count or first is None or count < app.settings.service.spike_floor:
        return []
    top = now.replace(minute=0, second=0, microsecond=0)
    hours = int(min(BASELINE, top - first) / WINDOW)
    counts = {
        row[0]: int(row[1])
        for row in session.execute(
            select(TallyRow.hour, func.sum(TallyRow.count))
            .where(TallyRow.platform == platform, TallyRow.category == "*", TallyRow.hour >= top - hours * WINDOW)
            .group_by(TallyRow.hour)
        )
    }
    past = [counts.get(top - n * WINDOW, 0) for n in range(2, hours + 1)]
    found = rise(count, past, floor=app.settings.service.spike_floor)
    if found is None:
        return []
    usual = f"{found.usual:.0f}" if found.usual >= 1 else "less than one"
    words = (
        f"{found.count} mentions on {say_platform(platform)} within the last hour; usual is {usual}. "
        "None of them need be grave by itself; look at what they share."
    )
    return [_open(app, session, platform, "volume", words, now)]


def _mood(app: App, session: Session, platform: str, now: datetime) -> list[str]:
    if _is_cooling(session, platform, "mood", now):
        return []
    scored = and_(
        MentionRow.platform == platform,
        MentionRow.kind != Kind.OWN_POST.value,
        MentionRow.sentiment.is_not(None),
        posts_visible_to(EVERYBODY),
    )
    recent = session.scalars(select(MentionRow.sentiment).where(scored, MentionRow.posted_at > now - MOOD_WINDOW)).all()
    if len(recent) < MOOD_POSTS:
        return []
    usual = session.scalars(
        select(MentionRow.sentiment).where(
            scored, MentionRow.posted_at <= now - MOOD_WINDOW, MentionRow.posted_at > now - BASELINE
        )
    ).all()
    if not mood_falls([v for v in recent if v is not None], [v for v in usual if v is not None]):
        return []
    words = (
        f"The mood on {say_platform(platform)} has fallen clearly within six hours, over {len(recent)} posts. "
        "Look at what they speak of."
    )
    return [_open(app, session, platform, "mood", words, now)]


def _is_cooling(session: Session, platform: str, source: str, now: datetime) -> bool:
    rows = session.scalars(
        select(IncidentRow).where(IncidentRow.source == source, IncidentRow.opened_at > now - COOL_DOWN)
    )
    return any(platform in row.platforms for row in rows)


def _open(app: App, session: Session, platform: str, source: str, words: str, now: datetime) -> str:
    row = IncidentRow(
        id=new_incident_id(),
        category=None,
        severity=int(Severity.ALERT),
        state=IncidentState.OPEN.value,
        opened_at=now,
        last_seen_at=now,
        mentions=0,
        platforms=[platform],
        source=source,
        summary=words,
    )
    session.add(row)
    session.flush()
    note(session, row.id, now, "Earshot", f"Opened at {say_moment(now, app.settings.zone)}: {words}")
    app.desk.advance(session, row, incident_of(row), now)
    return row.id
