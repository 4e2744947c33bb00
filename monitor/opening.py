"""Opening the store: it answers, is the one that we know, and is up to date, before anything is asked of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from monitor.app import App
from monitor.keys import KEY, make_keys
from monitor.settings import Settings, Store
from monitor.store import identity, migrate
from monitor.store.address import Address
from monitor.store.database import Database, DatabaseUnreachable, StoreLost
from monitor.store.identity import Found
from monitor.store.place import IDENTITY
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
    identity.guard(database, state_dir)
    if not database.is_absent():
        database.check()
    if identity.recognise(database, state_dir) is Found.NEW:
        raise NoStoreYet(
            f"There is no database {place_of(database)}, so nothing is known. `earshot run` begins one. If there "
            "should be one, see [store] url; where systemd runs Earshot, say `earshot-here` instead of `earshot`."
        )
    if not migrate.is_current(database):
        raise OtherVersion("The database is of another version. Run `earshot db upgrade` first.")
    identity.check_key(database, app.keys, state_dir)


def for_writing(
    app: App, *, upgrade: Callable[[], object] | None = None, patience: timedelta = timedelta(), whole: bool = False
) -> Found:
    """Make sure of the store before anything is changed, and make one where neither it nor the state folder was ever
    there. ``patience`` is how long a server is waited for that is being started, ``whole`` looks for damage in all of
    an SQLite file. Raises ``DatabaseUnreachable``, ``StoreLost``, ``SchemaTooNew``, ``KeyUnreadable``, OSError."""
    database, state_dir = app.database, app.settings.state_dir
    identity.guard(database, state_dir)
    if not database.is_absent():
        _wait_for(database, patience)
        if whole and (damage := examine(database)):
            raise DatabaseUnreachable(
                f"{damage.capitalize()} ({database.file}). Nothing was changed. Bring back the newest backup: "
                "`earshot db restore FILE`."
            )
    found = identity.recognise(database, state_dir)
    if found is Found.NEW:
        _refuse_beside_another(app)
        log.warning("there was no database: a new one is begun", extra={"where": place_of(database)})
        database.make()
    if not migrate.is_current(database):
        (upgrade or (lambda: migrate.upgrade(database)))()
        log.info("the database was brought up to date")
    if found in {Found.NEW, Found.UNNAMED}:
        make_keys(state_dir)
    identity.check_key(database, app.keys, state_dir)
    if found in {Found.NEW, Found.UNNAMED}:
        identity.adopt(database, app.keys, state_dir)
    return found


def _refuse_beside_another(app: App) -> None:
    """Raise ``StoreLost`` where a store is to be begun although the settings' folder, or the one that the database's
    link lies in, remembers one that lies elsewhere: a disk that is not mounted, or a changed [store] url."""
    settings = app.settings
    written = settings.store.address.file
    for folder in (settings.path.resolve().parent, *([written.parent.resolve()] if written is not None else [])):
        if folder == settings.state_dir.resolve():
            continue
        if any((folder / name).exists() for name in (IDENTITY, KEY)):
            raise StoreLost(
                f"There is no database {place_of(app.database)}, but {folder} belongs to one that Earshot knows. "
                "Nothing was begun anew. If the disk with the database is away, bring it back; else see [store] url "
                "and state_dir, or move the old one. To begin anew at the new place on purpose, say "
                "`earshot db adopt`.",
                "the database is not where it was",
            )


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


@contextmanager
def for_a_while(settings: Settings) -> Iterator[App]:
    """An app of these settings on a store of its own that is gone afterwards: to look round before the first start."""
    with TemporaryDirectory(prefix="earshot-") as folder:
        store = Store(url=Address.of_file(Path(folder) / "earshot.db").text, state_dir=folder)
        with closing(App(replace(settings, store=store))) as app:
            for_writing(app)
            yield app


def place_of(database: Database) -> str:
    """Where a database lies, for the middle of a sentence."""
    return f"at {database.file}" if database.file is not None else "of ours on the server"
