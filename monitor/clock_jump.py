"""A wall clock that was put back: what is due must not wait for the old time to come round again.

What is due stands in the database by the wall clock. Put back by an hour, it would make us blind and mute for that
hour (reliability notes, 2.2). A clock put forward needs no help: what falls due early is early, never late.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store.tables import AlertRow, IncidentRow, PlatformRow

NOTICED = timedelta(seconds=60)
"""A smaller step is the everyday work of time servers."""


class Jumps:
    """Notices steps of the wall clock against a clock that only runs on, also while the machine sleeps."""

    def __init__(self, now: datetime) -> None:
        self._wall, self._steady = now, steady()

    def since(self, now: datetime) -> timedelta:
        """By how much the wall clock jumped since the last look; zero for what is not worth a word."""
        wall, running = now - self._wall, steady() - self._steady
        self._wall, self._steady = now, self._steady + running
        jump = wall - timedelta(seconds=running)
        return jump if abs(jump) > NOTICED else timedelta()


def steady() -> float:
    """Seconds on a clock that nobody sets. Time that a laptop slept counts."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def put_back(session: Session, by: timedelta, now: datetime) -> None:
    """Move what lies ahead back by as much as the clock went back. ``by`` is positive."""
    for row in session.scalars(select(PlatformRow).where(PlatformRow.due_at > now)):
        row.due_at -= by
        row.retry_at = row.retry_at - by if row.retry_at is not None and row.retry_at > now else row.retry_at
    waits = (AlertRow.delivered_at.is_(None), AlertRow.superseded_at.is_(None), AlertRow.refused_at.is_(None))
    for alert in session.scalars(select(AlertRow).where(*waits)):
        alert.retry_at -= by if alert.retry_at > now else timedelta()
        alert.tried_at = min(alert.tried_at, now) if alert.tried_at is not None else None
        alert.failed_at = min(alert.failed_at, now) if alert.failed_at is not None else None
    for incident in session.scalars(select(IncidentRow).where(IncidentRow.next_step_at > now)):
        if incident.next_step_at is not None:
            incident.next_step_at -= by
