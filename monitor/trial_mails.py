"""A test mail to everybody in the settings, straight to the mail server, for ``earshot doctor --mail``."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta

from alerts.model import DeliveryFailed, Letter, MailKind, Recipient
from connectors.model import Finding, Level
from monitor import mailboxes
from monitor.app import App
from monitor.notices import letter_for
from monitor.store.tables import AlertRow
from monitor.workers import DeadlineExceeded, WorkFailed

PATIENCE = timedelta(minutes=2)
"""How long one mail may take: somebody waits at the terminal."""


def send(app: App) -> Iterator[Finding]:
    """Mail each person in turn, and say of each whether the mail server took it."""
    seen: set[str] = set()
    for place, person in mailboxes.everybody(app.settings):
        if person.email.casefold() in seen:
            continue
        seen.add(person.email.casefold())
        yield _tried(app, place, person.recipient(place.strip("[]").partition("]")[0].removeprefix("people.")))
    yield Finding(
        Level.NOTE,
        "Taken by the mail server is not yet read: ask each of them, and let them look among the junk too.",
    )


def _tried(app: App, place: str, recipient: Recipient) -> Finding:
    who = f"{recipient.name} <{recipient.email}>"
    try:
        app.mail_account.send(_letter(app, recipient), PATIENCE)
    except DeliveryFailed as failure:
        return Finding(
            Level.BAD, f"{who} gets no mail: {failure.why}", f"Check {place} and what the mail server minds."
        )
    except (DeadlineExceeded, WorkFailed):
        return Finding(Level.BAD, f"{who}: the mail server kept us waiting.", "It may have come all the same: ask.")
    return Finding(Level.GOOD, f"{who}: the mail server took a test mail.")


def _letter(app: App, recipient: Recipient) -> Letter:
    now = app.clock()
    row = AlertRow(
        id=secrets.token_hex(20), template="test", kind=MailKind.TEST.value, role=recipient.role, name=recipient.name,
        address=recipient.email, channel="mail", severity=0, revision=0, facts={}, made_at=now, retry_at=now, bundle="",
    )  # fmt: skip
    with app.database.read() as session:
        return letter_for(session, row, app.house(now))
