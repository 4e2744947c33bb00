"""Figures for the pictures: what was heard each day, how an incident grew."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from markupsafe import Markup
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.model import Severity
from monitor.counting import heard
from monitor.excerpts import counted_together, join
from monitor.hearing import say_platform
from monitor.store.tables import DeafRow, MentionRow, PlatformRow
from monitor.visibility import Person
from monitor.web.charts import Bar, bars, say, table
from monitor.web.house import House

DAYS = 7


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, its sentence and its table."""

    title: str
    sentence: str
    svg: Markup
    numbers: Markup
    remark: str = ""


def week_of(session: Session, house: House, who: Person) -> tuple[Picture, ...]:
    """The last seven days as ``who`` may know them, one picture for each platform in use."""
    zone, now = house.app.settings.zone, house.now
    today = now.astimezone(zone).date()
    edges = [
        datetime.combine(today - timedelta(days=n), time(), tzinfo=zone).astimezone(UTC)
        for n in range(DAYS - 1, -2, -1)
    ]
    rows = session.scalars(select(PlatformRow).where(PlatformRow.in_use.is_(True)).order_by(PlatformRow.name)).all()
    counts: Counter[tuple[str, int]] = Counter()
    grave: Counter[tuple[str, int]] = Counter()
    for found in heard(session, who, edges[0], edges[-1]):
        day = next(n for n in range(DAYS) if edges[n] <= found.hour < edges[n + 1])
        counts[found.platform, day] += found.count
        grave[found.platform, day] += found.count if found.severity >= int(Severity.ALERT) else 0
    deaf = session.scalars(select(DeafRow).where((DeafRow.ended_at.is_(None)) | (DeafRow.ended_at > edges[0]))).all()
    pictures = []
    for row in rows:
        values = [
            Bar(
                f"{edges[n].astimezone(zone):%a}",
                _heard(counts[row.name, n], row, edges[n + 1]),
                any(d.platform == row.name and _overlaps(d, edges[n], min(edges[n + 1], now)) for d in deaf),
                grave[row.name, n],
            )
            for n in range(DAYS)
        ]
        name = say_platform(row.name)
        own = house.app.terms.get(row.name, house.app.terms["other"]).totals == "own"
        remark = "Counted apart, as its terms ask." if own else ""
        pictures.append(Picture(name, say(values), bars(name, values), table(name, "Day", values), remark))
    return tuple(pictures)


def _heard(count: int, row: PlatformRow, end: datetime) -> int | None:
    """Nothing counted in a time before the first poll is not zero: it was not heard."""
    return None if not count and (row.first_poll_at is None or row.first_poll_at >= end) else count


def _overlaps(row: DeafRow, begin: datetime, end: datetime) -> bool:
    """Whether a deaf time took a good part of an hour out of this span."""
    return min(row.ended_at or end, end) - max(row.began_at, begin) >= timedelta(minutes=30)


def growth_picture(session: Session, house: House, incident_id: str) -> Picture | None:
    """How an incident grew: by the hour in its first day, by wider steps when it lasts longer. None for one post.

    Where platforms may not be added up, the first group that may is drawn, and named.
    """
    groups = counted_together(session, incident_id, house.app.terms)
    if not groups:
        return None
    ours = (MentionRow.incident_id == incident_id, MentionRow.platform.in_(groups[0]))
    first, last, total = session.execute(
        select(func.min(MentionRow.posted_at), func.max(MentionRow.posted_at), func.count()).where(*ours)
    ).one()
    if first is None or total < 2:
        return None
    zone = house.app.settings.zone
    begin = first.replace(minute=0, second=0, microsecond=0)
    hours = max(1, int((last - begin).total_seconds() // 3600) + 1)
    step = timedelta(hours=-(-hours // 24))
    steps = max(2, -(-hours // (step // timedelta(hours=1))))
    edges = [begin + step * n for n in range(steps + 1)]
    values = [
        Bar(
            f"{edges[n].astimezone(zone):%H:%M}"
            if step < timedelta(hours=24)
            else f"{edges[n].astimezone(zone):%d %b}",
            session.scalar(
                select(func.count()).where(*ours, MentionRow.posted_at >= edges[n], MentionRow.posted_at < edges[n + 1])
            )
            or 0,
        )
        for n in range(steps)
    ]
    title = (
        "Posts by the hour" if step == timedelta(hours=1) else f"Posts in steps of {step // timedelta(hours=1)} hours"
    )
    if len(groups) > 1:
        title += f" on {join([say_platform(name) for name in groups[0]])}"
    return Picture(title, say(values), bars(title, values), table(title, "From", values))
