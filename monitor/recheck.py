"""Looking again at posts that we keep: deletions are honoured, edits judged anew, figures freshened, within a share of
the budget. What the share cannot pay for is forgotten on time, oldest first (settled questions, 4)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from connectors.errors import ConnectorError
from connectors.model import Allowance, Batch
from monitor import ledger
from monitor.app import App
from monitor.model import IncidentState
from monitor.poll import Station, recheck
from monitor.store.tables import IncidentRow, MentionRow
from monitor.workers import DeadlineExceeded, WorkFailed

log = logging.getLogger(__name__)

AT_ONCE = 100
"""Posts looked at in one round; X and Facebook take so many ids in one request (platform facts)."""

AGAIN_AFTER = timedelta(hours=1)
"""When a post is tried again that could not be looked at."""


def interval(app: App) -> timedelta:
    """How often to see whether a second look is due: every minute, or as often as an operator wants the looks."""
    wishes = [app.intake.terms_of(name).recheck_every for name in app.stations]
    return min([timedelta(minutes=1), *wishes])


def run(app: App, now: datetime) -> int:
    """One round for every platform that can look again. Returns how many posts were looked at."""
    return sum(_round(app, station, now) for station in app.stations.values())


def _round(app: App, station: Station, now: datetime) -> int:
    plan = station.plan()

    def begin(session: Session) -> tuple[tuple[str, ...], dict[str, int], object]:
        if any(
            bucket.per_poll and ledger.rechecks_left(session, station.name, bucket, now) < bucket.per_poll
            for bucket in plan.buckets
            if bucket.recheck_share
        ):
            return (), {}, None
        ids = _due(session, station.name, now)
        if not ids:
            return (), {}, None
        reserved = ledger.reserve(session, station.name, plan, now, recheck=True)
        session.execute(
            update(MentionRow)
            .where(MentionRow.platform == station.name, MentionRow.external_id.in_(ids))
            .values(recheck_at=now + AGAIN_AFTER)
        )
        return ids, reserved, app.settings_of(session, station)

    ids, reserved, settings = app.database.in_transaction(begin)
    if not ids:
        return 0
    try:
        batch: Batch = app.runner.run(
            app.settings.service.poll_deadline, recheck, station.name, settings, station.organisation, ids,
            Allowance(now, reserved),
        )  # fmt: skip
    except (ConnectorError, DeadlineExceeded, WorkFailed) as error:
        log.warning(
            "posts could not be looked at again", extra={"platform": station.name, "error": type(error).__name__}
        )
        spent = error.spent if isinstance(error, ConnectorError) else None
        if spent is not None:
            app.database.in_transaction(
                lambda s: ledger.settle(s, station.name, plan, now, reserved, spent, recheck=True)
            )
        return 0
    take_back(app, station, batch, ids, now, reserved)
    return len(batch.mentions) + len(batch.gone)


def take_back(
    app: App, station: Station, batch: Batch, ids: Sequence[str], now: datetime, reserved: dict[str, int]
) -> None:
    """Store what the second look found: one transaction with the settlement."""
    judged = app.intake.judge(app.intake.unknown(app.database, batch.mentions))
    plan, asked = station.plan(), set(ids)
    gone = [external_id for external_id in batch.gone if external_id in asked]

    def work(session: Session) -> None:
        later = app.clock()
        app.intake.take_in(session, judged, batch.mentions, gone, platform=station.name, now=later)
        ledger.settle(session, station.name, plan, now, reserved, batch.spent, recheck=True)
        terms = app.intake.terms_of(station.name)
        for mention in batch.mentions:
            row = session.scalar(
                select(MentionRow).where(
                    MentionRow.platform == station.name, MentionRow.external_id == mention.external_id
                )
            )
            if row is not None and row.text is not None:
                row.verified_at = later
                row.text_until = terms.text_until(row.first_seen_at, later)
                row.recheck_at = later + terms.recheck_every

    app.database.in_transaction(work)


def _due(session: Session, platform: str, now: datetime) -> tuple[str, ...]:
    """Posts whose time for a second look has come: those of open incidents first, then the newest."""
    is_open = case((IncidentRow.state.in_([IncidentState.OPEN.value, IncidentState.ACKNOWLEDGED.value]), 0), else_=1)
    rows = session.execute(
        select(MentionRow.external_id)
        .outerjoin(IncidentRow, IncidentRow.id == MentionRow.incident_id)
        .where(
            MentionRow.platform == platform,
            MentionRow.status == "live",
            MentionRow.text_until.is_not(None),
            MentionRow.recheck_at <= now,
        )
        .order_by(is_open, MentionRow.posted_at.desc())
        .limit(AT_ONCE)
    )
    return tuple(row[0] for row in rows)
