"""Tokens: renewed where the platform allows it, kept sealed, and their ends found out a day at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from alerts import mail_oauth
from alerts.model import DeliveryFailed, MailKind
from connectors import registry
from connectors.errors import ConnectorError
from connectors.model import Allowance, Grant
from monitor import hearing, ledger
from monitor.app import App
from monitor.clock import say_moment
from monitor.grants import read_grant, write_grant
from monitor.poll import Station, examine
from monitor.store.tables import GrantRow, PlatformRow
from monitor.workers import DeadlineExceeded, WorkFailed

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(days=1)
RENEW_BEFORE = timedelta(days=20)
"""A token is renewed when less than this is left: early enough for several tries before the first announcement."""


def run(app: App, now: datetime) -> None:
    """Look at every platform's set-up once a day and renew tokens that end soon."""
    for station in app.stations.values():
        with app.database.read() as session:
            row = session.get(PlatformRow, station.name)
            if row is None or (row.examined_at is not None and now - row.examined_at < LOOK_EVERY):
                continue
            if row.retry_at is not None and row.retry_at > now:
                continue  # shut out: each call would prolong it (platform facts, 5.1)
        look(app, station, now)
        renew_if_due(app, station, now)


def renew_mail(app: App, now: datetime) -> None:
    """Fetch the next token for mail ahead of time; the operator is told while the one in use still lets mail leave."""
    if not app.mail_account.settings.uses_oauth:
        return
    try:
        app.mail_account.renew_early()
    except DeliveryFailed as failure:
        log.warning("no new token for mail", extra={"operator": failure.operator})
        why = failure.why
        if failure.operator:
            app.database.in_transaction(
                lambda s: app.desk.owe_to_operator(
                    s, "mail_ends", MailKind.DEAF, now, key=f"{now:%Y-%m-%d}", facts={"why": why}, ceo_too=True
                )
            )


def connect_mail(app: App, refresh_token: str, ask_person: Callable[[str], str], say: Callable[[str], None]) -> int:
    """``earshot connect mail``: keep leave to send, from standard input or from a person with a browser; try it.

    0 mail can leave, 1 the answer was no, 4 the sign-in service or the mail server could not be reached.
    """
    account = app.mail_account
    mail = account.settings
    if not mail.uses_oauth:
        say('[mail] signs in by password; set sign_in to "microsoft" or "google" for OAuth2 (docs/credentials.md).')
        return 1
    try:
        if refresh_token:
            account.keep_refresh_token(refresh_token)
        elif mail_oauth.needs_person(mail):
            asking = account.ask()
            account.redeem(asking, ask_person(_OPEN.format(mailbox=mail.username, url=asking.url)))
        say(f"Mail can leave: {account.probe()}.")
    except DeliveryFailed as failure:
        say(failure.why)
        return 1 if failure.operator else 4
    except (DeadlineExceeded, WorkFailed) as error:
        say(f"The mail server could not be tried: {error}.")
        return 4
    return 0


_OPEN = """Open this address in a browser, sign in as {mailbox}, and allow sending:

  {url}

The browser then shows a page that cannot be reached. That is right: copy the whole address of that page, paste it
here and press Enter"""


def look(app: App, station: Station, now: datetime) -> None:
    """Ask a platform about its set-up and remember when the token ends."""
    plan = station.plan()

    def begin(session: Session) -> tuple[dict[str, int], Any]:
        return ledger.reserve_look(session, station.name, plan, now), app.settings_of(session, station)

    reserved, settings = app.database.in_transaction(begin)
    try:
        findings = app.runner.run(
            app.settings.service.poll_deadline, examine, station.name, settings, station.organisation,
            Allowance(now, reserved),
        )  # fmt: skip
    except (ConnectorError, DeadlineExceeded, WorkFailed) as error:
        log.warning(
            "the set-up could not be looked at", extra={"platform": station.name, "error": type(error).__name__}
        )
        findings = ()

    def note(session: Session) -> None:
        row = session.get(PlatformRow, station.name)
        if row is not None:
            hearing.note_findings(session, row, findings, now)

    app.database.in_transaction(note)


def renew(name: str, settings: Any, grant: Grant) -> Grant:
    """Exchange a token, in the worker process. Raises ``connectors.errors``."""
    platform = registry.load(name)
    if platform.refresh is None:
        return grant
    return platform.refresh(settings, grant)


def renew_if_due(app: App, station: Station, now: datetime) -> bool:
    """Renew a platform's token when it ends soon and the platform allows it. Never raises a connector's error."""
    if station.platform.refresh is None or station.platform.token_setting is None:
        return False
    with app.database.read() as session:
        row = session.get(PlatformRow, station.name)
        grant = _grant(app, session, station)
        ends = grant.expires_at or (row.token_ends_at if row else None)
    if ends is None or ends - now > RENEW_BEFORE:
        return False
    try:
        fresh: Grant = app.runner.run(
            app.settings.service.poll_deadline, renew, station.name, station.settings, replace(grant, expires_at=ends)
        )
    except (ConnectorError, DeadlineExceeded, WorkFailed) as error:
        log.warning("a token could not be renewed", extra={"platform": station.name, "error": type(error).__name__})
        return False
    if fresh.token == grant.token:
        return False
    app.database.in_transaction(lambda s: keep(app, s, station.name, fresh, now))
    log.info("a token was renewed", extra={"platform": station.name})
    return True


def keep(app: App, session: Session, platform: str, grant: Grant, now: datetime) -> None:
    """Store a grant sealed with the install key."""
    row = session.get(GrantRow, platform)
    if row is None:
        row = GrantRow(platform=platform, sealed=b"", renewed_at=now)
        session.add(row)
    row.sealed, row.expires_at, row.renewed_at = app.keys.seal(write_grant(grant)), grant.expires_at, now
    known = session.get(PlatformRow, platform)
    if known is not None:
        known.token_ends_at = grant.expires_at
        known.due_at = now


def connect(app: App, platform: str, token: str, say: Callable[[str], None]) -> int:
    """``earshot connect``: keep a token given on standard input, or renew the one in use. 0 done, 1 not, 4 failed."""
    station, now = app.stations[platform], app.clock()
    if station.platform.token_setting is None:
        say(f"{platform} has no token that Earshot could keep; put its key into the settings.")
        return 1
    app.poller.admit(station)
    if token:
        app.database.in_transaction(lambda s: keep(app, s, platform, Grant(token), now))
        say(f"{platform}: the token is kept, sealed with the install key.")
    look(app, station, now)
    with app.database.read() as session:
        row = session.get_one(PlatformRow, platform)
        ends = row.token_ends_at
    if ends is not None:
        say(f"{platform}: the token ends on {say_moment(ends, app.settings.zone)}.")
    if not token:
        renewed = renew_if_due(app, station, now)
        say(f"{platform}: {'renewed' if renewed else 'not renewed: not due yet, or this platform does not allow it'}.")
        return 0 if renewed or ends is not None else 1
    return 0


def _grant(app: App, session: Session, station: Station) -> Grant:
    row = session.get(GrantRow, station.name)
    sealed = app.keys.unseal(row.sealed) if row is not None else None
    if sealed is not None:
        return read_grant(sealed)
    settings = station.settings
    return Grant(
        getattr(settings, station.platform.token_setting or ""), None, getattr(settings, "refresh_token", None) or None
    )
