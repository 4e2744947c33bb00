"""Starting the service: the lock, the database, the pages, the daemon and its housekeeping. A start that fails is told
by mail, straight from memory, and leaves nobody in the dark."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from monitor import backup, distress, logs, opening, whom_to_tell
from monitor.app import App
from monitor.daemon import AnotherInstance, Daemon, sole_instance
from monitor.distress import Alarm, Trouble
from monitor.notify import notify, taking_long
from monitor.settings import Settings, SettingsError, load
from monitor.store import migrate, place
from monitor.store.identity import Found
from monitor.store.tables import PlatformRow
from monitor.workers import Workers

log = logging.getLogger(__name__)

MIGRATION = timedelta(hours=1)
"""How long bringing the database up to date may take, in a process of its own."""

TRY_AGAIN = timedelta(seconds=10)
"""How long a start that failed waits before the next try, where it may not end."""


class PagesNotShown(Exception):
    """The pages cannot be shown where the settings say; the message says why."""


def run(settings: Settings, *, on_ready: Callable[[App, Daemon], None] | None = None, words: bool = False) -> int:
    """``earshot run``: returns the exit code.

    A start that fails raises what it failed of, after operator and CEO were told of it (once an hour at most). Where
    nothing would remember that they were told, it does not end but stays, unwell, and tries again: whoever starts it
    anew would tell them at every try. Raises ``AnotherInstance`` without telling: then another one runs.
    """
    logs.set_up(settings.secrets, level=settings.service.log_level, words=words)
    failing = _Failing()
    while True:
        try:
            return _once(settings, on_ready)
        except AnotherInstance:
            raise
        except Exception as error:  # bulkhead: a start
            trouble = distress.cannot_start(error, settings)
            if not failing.tell(settings, trouble, error):
                raise
        if not _wait_unwell(settings, trouble):
            return 0


def start(path: Path) -> int:
    """``run`` with the settings in a file. A file that cannot be used is told as any other start that fails: to those
    whom it still names, or whom the last good one named. Raises ``SettingsError``."""
    failing, known = _Failing(), None
    while True:
        try:
            settings = load(path)
        except SettingsError as error:
            known = whom_to_tell.known(path) or known
            if known is None:
                raise SettingsError(error.without_value) from None
            logs.set_up(known.secrets, level="info", words=False)
            trouble = distress.settings_faulty(error)
            if not failing.tell(known, trouble, error):
                raise SettingsError(error.without_value) from None
        else:
            return run(settings)
        if not _wait_unwell(known, trouble):
            return 0


def _once(settings: Settings, on_ready: Callable[[App, Daemon], None] | None) -> int:
    with (
        taking_long("Earshot starts") as started,
        sole_instance(settings.state_dir),
        contextlib.closing(App(settings)) as app,
    ):
        _say_where(settings)
        found = opening.for_writing(
            app,
            upgrade=lambda: app.runner.run(MIGRATION, migrate.upgrade_at, settings.store.url),
            patience=distress.AFTER,
            whole=True,
        )
        app.key_audit()
        whom_to_tell.remember(settings, app.keys)
        app.note_model()
        daemon = Daemon(app)
        add_housekeeping(app, daemon)
        app.cards  # noqa: B018 - faulty cards are found now, not at the first alert
        with _pages(app):
            log.info("Earshot starts", extra={"version": version("earshot"), "bind": settings.web.bind})
            if on_ready is not None:
                on_ready(app, daemon)
            if found is Found.OLDER:
                backup.replay_journal(app)
                daemon.owe(distress.OLDER)
            if found is Found.NEW:
                daemon.owe(distress.BEGUN)
            daemon.prepare()
            started.set()
            return daemon.run()


def _say_where(settings: Settings) -> None:
    """Say once where a store was found by the old rule, and note it for commands that run elsewhere."""
    for found in settings.found:
        log.warning(
            "found where the working folder had it, and used; write its whole path into [store] to be sure of it",
            extra={"path": str(found.path)},
        )
        try:
            place.write_down(found)
        except OSError as error:
            log.warning("its place could not be noted", extra={"error": type(error).__name__})


# ── a start that fails ──────────────────────────────────────────────────────────────────────────────


class _Failing:
    """The tries of one process to start."""

    def __init__(self) -> None:
        self._alarm: Alarm | None = None
        self._stays = False

    def tell(self, settings: Settings, trouble: Trouble, error: Exception) -> bool:
        """Tell operator and CEO. Whether the process must stay, for nothing else remembers that they were told."""
        log.critical("Earshot cannot start", extra={"why": trouble.what, "error": type(error).__name__})
        self._alarm = self._alarm or Alarm(App(settings, runner=Workers(["alerts.mailer"])))
        with taking_long("Earshot cannot start; operator and CEO are being told"):
            self._alarm.tell(trouble, again=distress.ANEW)
        self._stays = self._stays or not self._alarm.is_remembered()
        return self._stays


def _wait_unwell(settings: Settings, trouble: Trouble) -> bool:
    """Stay up, unwell, until the next try; False when asked to end."""
    notify(f"READY=1\nSTATUS={trouble.headline}: tried again every {TRY_AGAIN.seconds} seconds")
    with _asked_to_end() as ended, _unwell_pages(settings, trouble):
        until = time.monotonic() + TRY_AGAIN.total_seconds()
        while not ended.wait(0.5) and time.monotonic() < until:
            notify("WATCHDOG=1")
    return not ended.is_set()


@contextlib.contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set while this lasts."""
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _unwell_pages(settings: Settings, trouble: Trouble) -> Iterator[None]:
    from monitor.web import serve
    from monitor.web.unwell import create_app

    try:
        pages = serve(create_app(trouble.headline), settings.web)
    except OSError:  # it may be the very port that we cannot have
        yield
        return
    try:
        yield
    finally:
        pages.close()


# ── the parts ───────────────────────────────────────────────────────────────────────────────────────


def add_housekeeping(app: App, daemon: Daemon) -> None:
    """Everything that is done now and then, each in a thread of its own."""
    from monitor import digest, forgetting, preflight, recheck, renewal, reread, trends

    def each(work: Callable[[App, datetime], Any]) -> Callable[[datetime], None]:
        return lambda now: work(app, now) and None

    daemon.every(timedelta(seconds=15), "damage", daemon.look_at_the_whole)
    daemon.every(timedelta(seconds=30), "digest", each(digest.send_when_due))
    daemon.every(timedelta(minutes=1), "trends", each(trends.look))
    daemon.every(timedelta(minutes=5), "forgetting", each(forgetting.forget))
    daemon.every(recheck.interval(app), "re-checks", each(recheck.run))
    daemon.every(timedelta(seconds=10), "pre-flight", each(preflight.run))
    daemon.every(timedelta(hours=1), "renewal", each(renewal.run))
    daemon.every(timedelta(minutes=5), "mail token", each(renewal.renew_mail))
    if app.settings.path.is_file():
        daemon.every(reread.EVERY, "settings", reread.Reader(app).look)
    if app.settings.service.ping_url:
        from monitor import ping  # loads an HTTP library that the daemon does not need else

        daemon.every(app.settings.service.ping_every, "ping", each(ping.send))


@contextlib.contextmanager
def _pages(app: App) -> Iterator[None]:
    from monitor.web import start_web

    try:
        pages = start_web(app)
    except OSError as error:
        raise PagesNotShown(
            f"The pages cannot be shown on {app.settings.web.bind} ({error.strerror}): see [web] bind."
        ) from None
    try:
        yield
    finally:
        pages.close()


def poll_once(app: App, platform: str, say: Callable[[str], None]) -> int:
    """``earshot poll``: 0 heard, 4 could not hear. What is owed is left for the daemon to deliver."""
    app.poller.admit(app.stations[platform])
    taken = app.poller.poll(app.stations[platform])
    with app.database.read() as session:
        row = session.get_one(PlatformRow, platform)
        failed, what, do = row.failing_since is not None, row.error, row.error_do
    if failed:
        say(f"{platform}: {what}")
        if do:
            say(f"  {do}")
        return 4
    say(
        f"{platform}: {taken.new} new, {taken.edited} edited, {taken.gone} gone, "
        f"{len(set(taken.incidents))} incidents touched."
    )
    return 0
