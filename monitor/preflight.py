"""What waits inside the platforms to be published by itself: looked up once when a takeover begins. Earshot only reads;
where a platform shows nothing of its queue, a person must look (policy and law, 4.3).
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session

from connectors import registry
from connectors.errors import ConnectorError
from connectors.model import Organisation, Scheduled, Schedules
from monitor import ledger, takeovers
from monitor.app import App
from monitor.poll import Station
from monitor.store.tables import PlatformRow, PreflightRow
from monitor.workers import DeadlineExceeded, WorkFailed

log = logging.getLogger(__name__)

WHERE = {
    "x": "https://x.com/compose/post/unsent/scheduled",
    "facebook": "https://business.facebook.com/latest/posts/scheduled_posts",
    "instagram": "https://business.facebook.com/latest/posts/scheduled_posts",
    "linkedin": "https://www.linkedin.com/company/",
    "youtube": "https://studio.youtube.com/",
}
"""Where a person finds the queue of each platform."""


def where(name: str, organisation: Organisation) -> str:
    """Where a person finds the queue of a platform; on LinkedIn below the page's own name."""
    handle = organisation.handles.get(name, "")
    if name == "linkedin" and handle:
        return f"https://www.linkedin.com/company/{quote(handle.lstrip('@'), safe='')}/admin/"
    return WHERE.get(name, "")


def run(app: App, now: datetime) -> list[str]:
    """Look at every platform not looked at since the takeover began. Returns their names."""
    with app.database.read() as session:
        takeover = takeovers.current(session)
        if not takeover.is_active or takeover.since is None:
            return []
        begun = takeover.since.isoformat()
        known = set(session.scalars(select(PreflightRow.platform).where(PreflightRow.takeover == begun)))
        names = set(session.scalars(select(PlatformRow.name).where(PlatformRow.in_use.is_(True))))
    missing = sorted((names | set(WHERE)) - known)
    for name in missing:
        result, found = _look(app, name, now)
        row = PreflightRow(takeover=begun, platform=name, result=result, found=found, at=now)
        app.database.in_transaction(lambda session, row=row: _add(session, app, row, now))  # type: ignore[misc]
    return missing


def _add(session: Session, app: App, row: PreflightRow, now: datetime) -> None:
    found = session.scalar(
        select(PreflightRow.id).where(PreflightRow.takeover == row.takeover, PreflightRow.platform == row.platform)
    )
    if found is None:
        session.add(
            PreflightRow(
                takeover=row.takeover, platform=row.platform, result=row.result, found=row.found, at=row.at, done_by=""
            )
        )
        if row.result == "found":
            takeovers.owe_planned(session, app.desk, row.platform, now)


def _look(app: App, name: str, now: datetime) -> tuple[str, list[dict[str, Any]]]:
    station = app.stations.get(name)
    if station is None:
        return "by hand", []
    try:
        posts = _ask(app, station, now)
    except (ConnectorError, DeadlineExceeded, WorkFailed) as error:
        log.warning("scheduled posts could not be read", extra={"platform": name, "error": type(error).__name__})
        return "by hand", []
    if posts is None:
        return "by hand", []
    return ("found" if posts else "empty"), [
        {"at": post.publish_at.isoformat(), "url": post.url} for post in posts[:50]
    ]


def _ask(app: App, station: Station, now: datetime) -> tuple[Scheduled, ...] | None:
    def prepare(session: Session) -> Any:
        ledger.reserve_look(session, station.name, station.plan(), now)
        return app.settings_of(session, station)

    settings = app.database.in_transaction(prepare)
    found: tuple[Scheduled, ...] | None = app.runner.run(
        app.settings.service.poll_deadline, scheduled, station.name, settings, station.organisation, now
    )
    return found


def scheduled(name: str, settings: Any, organisation: Organisation, now: datetime) -> tuple[Scheduled, ...] | None:
    """The scheduled posts, asked for in the worker process; None where the platform does not show them."""
    connector = registry.load(name).connect(settings, organisation)
    return connector.scheduled(now) if isinstance(connector, Schedules) else None
