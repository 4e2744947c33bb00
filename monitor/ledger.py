"""Allowances: what a platform still grants in this period, reserved before a call and settled after it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from connectors.model import Bucket, Period, PollPlan
from monitor.store.tables import SpendingRow

PACIFIC = ZoneInfo("America/Los_Angeles")


def period_key(period: Period, now: datetime) -> str:
    """Names the period that ``now`` lies in: 2026-11-24 or 2026-11."""
    match period:
        case Period.UTC_DAY:
            return f"{now.astimezone(UTC):%Y-%m-%d}"
        case Period.PACIFIC_DAY:
            return f"{now.astimezone(PACIFIC):%Y-%m-%d}"
        case Period.MONTH:
            return f"{now.astimezone(UTC):%Y-%m}"


def period_end(period: Period, now: datetime) -> datetime:
    """When the bucket fills up again, aware UTC."""
    zone = PACIFIC if period is Period.PACIFIC_DAY else UTC
    start = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.MONTH:
        following = (start.replace(day=28) + timedelta(days=4)).replace(day=1)
        return following.astimezone(UTC)
    # to the next local midnight by the wall clock: a day of 23 or 25 hours ends right
    return (start + timedelta(days=1)).astimezone(UTC)


def left(session: Session, platform: str, buckets: tuple[Bucket, ...], now: datetime) -> dict[str, int]:
    """What is left of each bucket, never below 0. What re-checks used counts too."""
    return {bucket.name: max(0, bucket.amount - _spent(session, platform, bucket, now)) for bucket in buckets}


def rechecks_left(session: Session, platform: str, bucket: Bucket, now: datetime) -> int:
    """What re-checks may still spend: their share of the bucket, and never more than is left of it."""
    row = _row(session, platform, bucket, now)
    return max(0, min(int(bucket.amount * bucket.recheck_share) - row.rechecks, bucket.amount - row.spent))


def reserve(session: Session, platform: str, plan: PollPlan, now: datetime, *, recheck: bool = False) -> dict[str, int]:
    """Take the reserve of one call out of every bucket and return it by bucket.

    A reservation that is never settled stays spent, so that no crash can overspend.
    """
    taken: dict[str, int] = {}
    for bucket in plan.buckets:
        row = _row(session, platform, bucket, now)
        room = bucket.amount - row.spent
        if recheck:
            room = min(room, int(bucket.amount * bucket.recheck_share) - row.rechecks)
        amount = max(0, min(bucket.reserve, room))
        row.spent += amount
        if recheck:
            row.rechecks += amount
        taken[bucket.name] = amount
    return taken


def settle(
    session: Session,
    platform: str,
    plan: PollPlan,
    reserved_at: datetime,
    reserved: Mapping[str, int],
    spent: Mapping[str, int],
    *,
    recheck: bool = False,
) -> None:
    """Put back what a call did not use, in the period in which it was reserved."""
    for bucket in plan.buckets:
        row = _row(session, platform, bucket, reserved_at)
        difference = spent.get(bucket.name, 0) - reserved.get(bucket.name, 0)
        row.spent = max(0, row.spent + difference)
        if recheck:
            row.rechecks = max(0, row.rechecks + difference)


def reserve_look(session: Session, platform: str, plan: PollPlan, now: datetime) -> dict[str, int]:
    """Take what one look at the set-up may spend, and return it by bucket. It is never given back: an examination
    does not tell what it spent, and cannot spend more than this."""
    taken: dict[str, int] = {}
    for bucket in plan.buckets:
        row = _row(session, platform, bucket, now)
        most = bucket.reserve if bucket.per_look is None else bucket.per_look
        taken[bucket.name] = max(0, min(most, bucket.amount - row.spent))
        row.spent += taken[bucket.name]
    return taken


def pace(plan: PollPlan, remaining: Mapping[str, int], now: datetime, interval: timedelta) -> timedelta:
    """``interval``, stretched so that no bucket runs dry before its period ends (facts, 2.4)."""
    for bucket in plan.buckets:
        affordable = remaining.get(bucket.name, bucket.amount) // max(1, bucket.per_poll)
        until = period_end(bucket.period, now) - now
        if bucket.per_poll <= 0:
            continue
        interval = max(interval, until / max(1, affordable)) if affordable else until
    return interval


def is_exhausted(plan: PollPlan, remaining: Mapping[str, int]) -> bool:
    """Whether some bucket cannot pay for one ordinary poll any more."""
    return any(remaining.get(b.name, b.amount) < b.per_poll for b in plan.buckets if b.per_poll > 0)


def _spent(session: Session, platform: str, bucket: Bucket, now: datetime) -> int:
    """Without making a row: whoever only reads must not write."""
    key = (platform, bucket.name, period_key(bucket.period, now))
    row = session.get(SpendingRow, key)
    return row.spent if row is not None else 0


def _row(session: Session, platform: str, bucket: Bucket, now: datetime) -> SpendingRow:
    key = period_key(bucket.period, now)
    row = session.scalar(
        select(SpendingRow).where(
            SpendingRow.platform == platform, SpendingRow.bucket == bucket.name, SpendingRow.period == key
        )
    )
    if row is None:
        row = SpendingRow(platform=platform, bucket=bucket.name, period=key, spent=0, rechecks=0)
        session.add(row)
        session.flush()
    return row
