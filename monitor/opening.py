"""Opening the store: it answers, is the one that we know, and is up to date, before anything is asked of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from monitor.app import App
from monitor.store import identity, migrate
from monitor.store.database import Database, DatabaseUnreachable
from monitor.store.identity import Found
from monitor.store.soundness import examine

log = logging.getLogger(__name__)


class NoStoreYet(Exception):
    """There is no store, and nothing remembers one; the message says where it was looked for."""


class OtherVersion(Exception):
    """The store was written by an older Earshot; the message says what to do."""


def for_reading(app: App) -> None:
    """Make sure of the store for a command that only asks. Makes nothing, changes nothing. Raises ``NoStoreYet``,
    ``OtherVersion``, ``DatabaseUnreachable``, ``StoreLost``, ``SchemaTooNew``."""
    database, state_dir = app.database, app.settings.state_dir
    if not database.is_absent():
        database.check()
    if identity.recognise(database, state_dir) is Found.NEW:
        raise NoStoreYet(
            f"There is no database {_at(database)}, so nothing is known. `earshot run` begins one. If there should be "
            "one, see [store] url; where systemd runs Earshot, say `earshot-here` instead of `earshot`."
        )
    if not migrate.is_current(database):
        raise OtherVersion("The database is of another version. Run `earshot db upgrade` first.")
    identity.check_key(database, app.keys, state_dir)


def for_writing(
    app: App, *, upgrade: Callable[[], object] | None = None, patience: timedelta = timedelta(), whole: bool = False
) -> Found:
    """Make sure of the store before anything is changed, and make one where neither it nor the state folder was ever
    there. ``patience`` is how long a server is waited for that is being started, ``whole`` looks for damage in all of
    an SQLite file. Raises ``DatabaseUnreachable``, ``StoreLost``, ``SchemaTooNew``, ``KeyUnreadable``."""
    database, state_dir = app.database, app.settings.state_dir
    if not database.is_absent():
        _wait_for(database, patience)
        if whole and (damage := examine(database)):
            raise DatabaseUnreachable(
                f"{damage.capitalize()} ({database.file}). Nothing was changed. Bring back the newest backup: "
                "`earshot db restore FILE`."
            )
    found = identity.recognise(database, state_dir)
    if found is Found.NEW:
        log.warning("there was no database: a new one is begun", extra={"where": _at(database)})
        database.make()
    if not migrate.is_current(database):
        (upgrade or (lambda: migrate.upgrade(database)))()
        log.info("the database was brought up to date")
    identity.check_key(database, app.keys, state_dir)
    if found in {Found.NEW, Found.UNNAMED}:
        identity.adopt(database, app.keys, state_dir)
    return found


def _wait_for(database: Database, patience: timedelta) -> None:
    until = time.monotonic() + patience.total_seconds()
    while True:
        try:
            return database.check()
        except DatabaseUnreachable as error:
            if not error.passing or time.monotonic() >= until:
                raise
            log.warning("the database does not answer yet")
            time.sleep(min(1.0, patience.total_seconds()))


def _at(database: Database) -> str:
    return f"at {database.file}" if database.file is not None else "of ours on the server"
