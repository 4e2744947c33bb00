"""Our account at the mail server: how letters leave, with a token that still holds where a password does not do.

Tokens lie in the store, sealed with the install key, and in memory too, so that the alarm about a broken database can
still leave. Nothing here opens a transaction while a network call runs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from alerts import mail_oauth
from alerts.mail_oauth import Asking, MailToken
from alerts.mail_settings import MailSettings
from alerts.mailer import deliver, probe
from alerts.model import DeliveryFailed, Letter
from alerts.sign_in import SignInRefused
from connectors.model import Grant
from monitor.clock import Clock
from monitor.grants import read_grant, write_grant
from monitor.keys import Keys, KeyUnreadable
from monitor.poll import Runner
from monitor.store.database import Database, DatabaseUnreachable
from monitor.store.tables import GrantRow
from monitor.workers import DeadlineExceeded, WorkFailed

log = logging.getLogger(__name__)

FETCHED_WITHIN = timedelta(seconds=60)
LEFT = timedelta(minutes=2)
"""A token with less than this left is not begun with any more."""

EARLY = timedelta(minutes=20)
"""With less than this left the next token is fetched ahead, so that a sign-in service that is away delays nothing."""


_AWAY = (SQLAlchemyError, DatabaseUnreachable, KeyUnreadable, OSError)
"""What the store and the install key may meet; the alarm about it must leave all the same."""


class MailAccount:
    """Sends letters, and keeps what it signs in with. Safe to share between threads."""

    def __init__(
        self, settings: MailSettings, database: Database, keys: Callable[[], Keys], runner: Runner, clock: Clock
    ) -> None:
        self.settings = settings
        self._database = database
        self._keys = keys
        self._runner = runner
        self._clock = clock
        self._lock = threading.Lock()
        self._token: MailToken | None = None
        self._no_token = self._no_entry = ""

    @property
    def trouble(self) -> str:
        """Why we are not let in, or soon shall not be, in a sentence; empty where all is well."""
        return self._no_token or self._no_entry

    def send(self, letter: Letter, deadline: timedelta) -> None:
        """Hand one letter to the mail server. Raises as ``deliver`` does, and what the runner raises."""
        with self._signing_in():
            self._runner.run(deadline, deliver, self.settings, letter, self.access_token())

    def probe(self) -> str:
        """Sign in and say goodbye, in one sentence. Raises as ``send`` does."""
        with self._signing_in():
            said: str = self._runner.run(timedelta(seconds=60), probe, self.settings, self.access_token())
        return said

    @contextmanager
    def _signing_in(self) -> Iterator[None]:
        try:
            yield
        except SignInRefused as refused:
            self._no_entry = refused.why
            self._put_aside()
            raise
        self._no_entry = ""

    def access_token(self, *, left: timedelta = LEFT) -> str:
        """A token with at least ``left`` to go; empty where a password does. Raises ``DeliveryFailed``."""
        if not self.settings.uses_oauth:
            return ""
        with self._lock:
            token = self._token or self._stored()
            if token is None or not token.access or token.ends_at - self._clock() < left:
                token = self._fetch(token)
                self._store(token)
            self._token = token
            return token.access

    def renew_early(self) -> None:
        """Fetch the next token ahead of time. Raises ``DeliveryFailed`` when it cannot be had."""
        self.access_token(left=EARLY)

    # ── leave, given by a person ────────────────────────────────────────────────────────────────

    def ask(self) -> Asking:
        """What a person opens in a browser to give leave."""
        return mail_oauth.ask(self.settings)

    def redeem(self, asking: Asking, answer: str) -> None:
        """Keep the leave that the browser came back with. Raises ``DeliveryFailed``."""
        self._keep(self._run(mail_oauth.redeem, self.settings, asking, answer, self._clock()))

    def keep_refresh_token(self, refresh_token: str) -> None:
        """Try a refresh token that somebody brings, and keep it. Raises ``DeliveryFailed``."""
        self._keep(self._run(mail_oauth.fetch, self.settings, refresh_token, self._clock()))

    def _keep(self, token: MailToken) -> None:
        with self._lock:
            self._token, self._no_token = token, ""
            self._write(token)

    # ── tokens ──────────────────────────────────────────────────────────────────────────────────

    def _fetch(self, old: MailToken | None) -> MailToken:
        """By the kept leave, else by that of the settings, else by the app's own secret."""
        candidates = [old.refresh if old else "", self.settings.refresh_token]
        leaves = list(dict.fromkeys(leave for leave in candidates if leave))
        if not mail_oauth.needs_person(self.settings):
            leaves.append("")
        if not leaves:
            raise SignInRefused("Nobody has given leave to send mail yet: run `earshot connect mail`.")
        refusals: list[SignInRefused] = []
        for leave in leaves:
            try:
                token = self._run(mail_oauth.fetch, self.settings, leave, self._clock())
            except SignInRefused as refused:
                refusals.append(refused)
            else:
                self._no_token = ""
                return token
        self._no_token = refusals[0].why
        raise refusals[0]

    def _run(self, work: Callable[..., MailToken], *args: object) -> MailToken:
        try:
            token: MailToken = self._runner.run(FETCHED_WITHIN, work, *args)
        except DeadlineExceeded:
            raise DeliveryFailed("The sign-in service for mail kept us waiting and was given up.") from None
        except WorkFailed as error:
            raise DeliveryFailed(f"No token for mail could be had ({error}).") from None
        return token

    def _put_aside(self) -> None:
        """A token that the mail server refused is not shown again; the leave to fetch another stays."""
        with self._lock:
            if self._token is not None:
                self._token = MailToken("", self._token.ends_at, self._token.refresh)
                self._store(self._token)

    # ── the store ───────────────────────────────────────────────────────────────────────────────

    def _row(self) -> str:
        """The token's row: another mailbox, or another app, begins anew."""
        mail = self.settings
        return "mail:" + self._keys().digest("mail", mail.sign_in, mail.tenant, mail.client_id, mail.username)[:30]

    def _stored(self) -> MailToken | None:
        try:
            with self._database.read() as session:
                row = session.get(GrantRow, self._row())
            text = self._keys().unseal(row.sealed) if row is not None else None
        except _AWAY as error:
            log.warning("the mail token could not be read", extra={"error": type(error).__name__})
            return None
        if text is None:
            return None
        grant = read_grant(text)
        return MailToken(grant.token, grant.expires_at or self._clock(), grant.refresh_token or "")

    def _store(self, token: MailToken) -> None:
        """What cannot be written down now still does in memory."""
        try:
            self._write(token)
        except (SQLAlchemyError, KeyUnreadable) as error:
            log.warning("the mail token could not be kept", extra={"error": type(error).__name__})

    def _write(self, token: MailToken) -> None:
        now, name = self._clock(), self._row()
        sealed = self._keys().seal(write_grant(Grant(token.access, token.ends_at, token.refresh or None)))
        self._database.in_transaction(
            lambda s: s.merge(GrantRow(platform=name, sealed=sealed, expires_at=token.ends_at, renewed_at=now))
        )
