"""While Earshot runs: who was put into or taken out of ``[people]``, without a restart."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from alerts.model import MailKind
from monitor import logs, whom_to_tell
from monitor.app import App
from monitor.clock import say_moment
from monitor.settings import Settings, SettingsError, load

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=30)
"""How often the settings file is looked at: whoever was taken out is locked out within a minute."""


class Reader:
    """Reads the settings file anew, and takes over its people. All else in it waits for the next start."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._told = ""

    def look(self, now: datetime) -> None:
        """Take over changed people; keep those of before, and say so, when the file cannot be used."""
        try:
            fresh = load(self._app.settings.path)
        except SettingsError as error:
            self._say_faulty(error.without_value, now)
            return
        whom_to_tell.remember(fresh, self._app.keys)
        if self._app.settings_fault:
            log.info("the settings file can be used again")
            self._app.settings_fault = self._told = ""
        if fresh.people != self._app.settings.people:
            self._take(fresh)

    def _take(self, fresh: Settings) -> None:
        app = self._app
        logs.blank_also(fresh.secrets)
        changed = app.take_people(fresh.people)
        app.database.in_transaction(app.dispatcher.readdress)
        log.info("the people of the settings were read anew", extra={"changed": changed})

    def _say_faulty(self, words: str, now: datetime) -> None:
        """Once a day for each fault."""
        app = self._app
        app.settings_fault = words
        key = app.keys.digest("settings-fault", words, f"{now:%Y-%m-%d}")[:40]
        if key == self._told:
            return
        self._told = key
        log.warning("the settings file cannot be used; the people of before go on", extra={"why": words})

        def work(session: Session) -> None:
            facts = {"why": words, "since": say_moment(now, app.settings.zone)}
            app.desk.owe_to_operator(session, "settings_faulty", MailKind.REPORT, now, key=key, facts=facts)

        app.database.in_transaction(work)
