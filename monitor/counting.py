"""What was heard, counted for somebody: the tallies without the posts of incidents that they may not see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from connectors.model import Kind
from monitor.store.tables import MentionRow, TallyRow
from monitor.visibility import Person, posts_visible_to


@dataclass(slots=True)
class Heard:
    """How many posts of one platform, hour and severity; and their mood, where it is kept."""

    platform: str
    hour: datetime
    severity: int
    count: int
    mood_sum: float
    mood_count: int


def heard(session: Session, person: Person, since: datetime, until: datetime) -> list[Heard]:
    """What was heard in the hours from ``since`` to before ``until``, as far as ``person`` may know of it."""
    rows = session.execute(
        select(
            TallyRow.platform,
            TallyRow.hour,
            TallyRow.severity,
            func.sum(TallyRow.count),
            func.sum(TallyRow.mood_sum),
            func.sum(TallyRow.mood_count),
        )
        .where(TallyRow.category == "*", TallyRow.hour >= since, TallyRow.hour < until)
        .group_by(TallyRow.platform, TallyRow.hour, TallyRow.severity)
        .order_by(TallyRow.platform, TallyRow.hour, TallyRow.severity)
    )
    found = [
        Heard(p, hour, level, int(n), float(mood or 0), int(moods or 0)) for p, hour, level, n, mood, moods in rows
    ]
    _take_out(found, _hidden(session, person, since, until))
    return found


def _hidden(session: Session, person: Person, since: datetime, until: datetime) -> Iterable[MentionRow]:
    return session.scalars(
        select(MentionRow).where(
            ~posts_visible_to(person),
            MentionRow.kind != Kind.OWN_POST.value,
            MentionRow.posted_at >= since,
            MentionRow.posted_at < until + timedelta(hours=1),  # the hours are whole
        )
    )


def _take_out(found: list[Heard], posts: Iterable[MentionRow]) -> None:
    """A post that was edited was counted under the severity of its first wording: then it leaves the hour's gravest."""
    by_hour: dict[tuple[str, datetime], list[Heard]] = defaultdict(list)
    for entry in found:
        by_hour[entry.platform, entry.hour].append(entry)
    for post in posts:
        hour = post.posted_at.replace(minute=0, second=0, microsecond=0)
        entries = [entry for entry in by_hour[post.platform, hour] if entry.count]
        if not entries:
            continue
        entry = next((e for e in entries if e.severity == post.severity), entries[-1])
        entry.count -= 1
        if post.sentiment is not None and entry.mood_count:
            entry.mood_count -= 1
            entry.mood_sum -= post.sentiment
