"""Starting the service: the lock, the database, the pages, the daemon and its housekeeping."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from monitor import logs
from monitor.app import App
from monitor.daemon import Daemon, sole_instance
from monitor.settings import Settings
from monitor.store import migrate
from monitor.store.tables import PlatformRow

log = logging.getLogger(__name__)

MIGRATION = timedelta(hours=1)
"""How long bringing the database up to date may take, in a process of its own."""


def run(settings: Settings, *, on_ready: Callable[[App, Daemon], None] | None = None, words: bool = False) -> int:
    """``earshot run``: returns the exit code. Raises ``AnotherInstance``, ``DatabaseUnreachable``, ``SchemaTooNew``."""
    logs.set_up(settings.secrets, level=settings.service.log_level, words=words)
    with sole_instance(settings.state_dir):
        app = App(settings)
        app.database.check()
        if not migrate.is_current(app.database):
            app.runner.run(MIGRATION, migrate.upgrade_at, settings.store.url)
            log.info("the database was brought up to date")
        app.key_audit()
        daemon = Daemon(app)
        add_housekeeping(app, daemon)
        with _pages(app):
            log.info("Earshot starts", extra={"version": version("earshot"), "bind": settings.web.bind})
            if on_ready is not None:
                on_ready(app, daemon)
            return daemon.run()


def add_housekeeping(app: App, daemon: Daemon) -> None:
    """Everything that is done now and then, each in a thread of its own."""
    from monitor import digest, forgetting, preflight, recheck, renewal, reread, trends

    def each(work: Callable[[App, datetime], Any]) -> Callable[[datetime], None]:
        return lambda now: work(app, now) and None

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

    pages = start_web(app)
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
