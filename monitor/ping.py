"""The outside dead man's switch: it is pinged only while everything works, and complains when we fall silent."""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, datetime

import requests
from sqlalchemy import select

from alerts.model import Severity
from connectors.model import Kind, Mention
from monitor import audit, reaching
from monitor.app import App
from monitor.store.tables import PlatformRow

log = logging.getLogger(__name__)

CANARY = "One of your volunteers keeps texting my daughter late at night, she is 13"
"""Words that every judgement must alert on."""

FREE_SPACE = 100 * 1024 * 1024


def send(app: App, now: datetime) -> bool:
    """Ping when all is well, with the head of the audit as body; False when something is not, and the switch will
    complain."""
    unwell = reasons(app, now)
    if unwell:
        log.warning("no ping: something is wrong", extra={"reasons": unwell})
        return False
    with app.database.read() as session:
        head = audit.head(session)
    try:
        requests.post(app.settings.service.ping_url, data=f"audit {head}".encode(), timeout=(5, 10)).close()
    except requests.RequestException as error:
        log.warning("the ping did not arrive", extra={"error": type(error).__name__})
        return False
    return True


def scorer_answers(app: App) -> bool:
    """Whether the judgement still alerts on what it must alert on."""
    mention = Mention(
        "facebook", "canary", Kind.COMMENT, CANARY, "https://earshot.invalid/canary", datetime(2026, 1, 1, tzinfo=UTC)
    )
    try:
        return app.intake.scorer.assess(mention).severity >= Severity.ALERT
    except Exception:  # bulkhead: a mention
        log.exception("the judgement broke down on its canary")
        return False


def reasons(app: App, now: datetime) -> list[str]:
    """What is wrong right now, in words: polls, the outbox, the disk, the scorer's canary."""
    with app.database.read() as session:
        found = reaching.problems(session, app.desk, now)
        if app.mail_account.trouble:
            found.append("the mail server does not let us sign in")
        rows = session.scalars(select(PlatformRow).where(PlatformRow.in_use.is_(True))).all()
        if rows and all(row.failing_since is not None for row in rows):
            found.append("no platform can be heard")
    if not scorer_answers(app):
        found.append("the judgement does not see what it must see")
    if shutil.disk_usage(app.settings.state_dir).free < FREE_SPACE:
        found.append("the disk is nearly full")
    if app.database.damage:
        found.append(app.database.damage)
    return found
