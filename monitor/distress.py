"""The alarm that needs no database: when nothing can be written down any more, one mail leaves all the same.

A full disk or a dead database server stops the outbox with everything else, so this mail goes straight to the mail
server (reliability notes, 2.1: within a minute). Hearing goes on by itself once the database can be written again.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from alerts.mail import compose
from alerts.model import Letter, MailKind, Notice, Recipient, Severity
from monitor.app import App
from monitor.clock import say_moment

log = logging.getLogger(__name__)

AFTER = timedelta(seconds=20)
"""How long nothing could be written before the mail leaves; a restart of the database takes less."""

AGAIN = timedelta(hours=6)
FULL = 100 * 1024 * 1024
"""Bytes of free space under which the disk is called full."""


class Distress:
    """Watches whether anything can be written down. Safe to call from every loop."""

    def __init__(self, app: App, *, after: timedelta = AFTER) -> None:
        self._app = app
        self._after = after.total_seconds()
        self._lock = threading.Lock()
        self._since: float | None = None
        self._told: float | None = None
        self._sending: threading.Thread | None = None

    def worked(self) -> None:
        """Something was written: all is well again."""
        with self._lock:
            self._since = None

    def failed(self, error: BaseException) -> None:
        """Something could not be written. Mails operator and CEO in a thread of its own when it has lasted."""
        if not isinstance(error, SQLAlchemyError | OSError):
            return
        now = time.monotonic()
        with self._lock:
            self._since = self._since if self._since is not None else now
            lasted = now - self._since >= self._after
            told = self._told is not None and now - self._told < AGAIN.total_seconds()
            if not lasted or told:
                return
            self._told = now
        log.critical("nothing can be written down; mailing operator and CEO", extra={"error": type(error).__name__})
        self._sending = threading.Thread(target=self._send_all, name="distress", daemon=True)
        self._sending.start()

    def wait(self, seconds: float) -> None:
        """Wait for a mail that is on its way."""
        if self._sending is not None:
            self._sending.join(seconds)

    def _send_all(self) -> None:
        people = [person for role, person in self._app.people.items() if role in {"operator", "ceo"}]
        reached = [self._send(person) for person in people]
        if not any(reached):
            with self._lock:
                self._told = None  # tried again at the next failure

    def _send(self, person: Recipient) -> bool:
        app = self._app
        try:
            app.mail_account.send(self._letter(person), timedelta(minutes=2))
        except Exception as error:  # bulkhead: a channel
            log.error("the alarm could not be mailed", extra={"role": person.role, "error": type(error).__name__})
            return False
        return True

    def _letter(self, person: Recipient) -> Letter:
        app = self._app
        now = app.clock()
        try:
            full = shutil.disk_usage(app.settings.state_dir).free < FULL
        except OSError:
            full = False
        why = "The disk is full." if full else "Its database does not take anything any more."
        notice = Notice(
            headline="Earshot is deaf and cannot write anything down",
            severity=Severity.CRISIS,
            where="the machine that Earshot runs on",
            moment=say_moment(now, app.settings.zone),
            summary=f"{why} Until it is mended nothing is heard, no alert is sent and no takeover can be begun from a "
            "mail. What is said meanwhile is heard afterwards, as far as the platforms still show it.",
            news=("Please look at the platforms yourself until this is mended.",),
            without_links="On the machine, run `earshot doctor --offline`; then make room on the disk or start the "
            "database. Earshot goes on by itself.",
            organisation=app.settings.organisation.name,
            tag="DEAF",
            reader="You get this because you are the operator or the CEO.",
        )
        return compose(
            "deaf",
            notice,
            person,
            kind=MailKind.DEAF,
            message_id=f"<distress.{secrets.token_hex(8)}@{app.settings.mail.domain}>",
            sent_at=now,
        )
