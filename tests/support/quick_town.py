"""A house in this process whose clock is the town's: hours pass in moments, the platforms are asked over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from town import Town, raw_settings, settings_of

from alerts import mailer
from alerts.model import Letter
from monitor import hearing, takeovers
from monitor.app import App
from monitor.keys import make_keys
from monitor.poll import Runner
from monitor.store import migrate
from monitor.store.tables import PlatformRow
from monitor.workers import Inline


class Hands:
    """Does all work with the real parts, but keeps letters instead of sending them."""

    def __init__(self, runner: Runner) -> None:
        self.letters: list[Letter] = []
        self._runner = runner

    def run(self, deadline: timedelta, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What ``work`` returns or raises."""
        if work is mailer.deliver:
            self.letters.append(args[1])
            return None
        return self._runner.run(deadline, work, *args, **kwargs)


class QuickHouse:
    """The whole path from the platforms' HTTP to the letters, on a clock that moves only when told."""

    def __init__(self, folder: Path, *, runner: Runner | None = None, **tables: Any) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.town = Town(now=lambda: self.now)
        self.town.__enter__()
        raw = raw_settings(self.town, folder, poll_every=tables.pop("poll_every", None), **tables)
        self.hands = Hands(runner or Inline())
        self.app = App(settings_of(raw, folder), clock=lambda: self.now, runner=self.hands)
        migrate.upgrade(self.app.database)
        make_keys(self.app.settings.state_dir)
        self.app.poller.prepare(self.app.stations)

    def close(self) -> None:
        """End the town and let go of the store."""
        self.town.__exit__()
        self.app.close()

    def tick(self) -> None:
        """Everything that is due now, once."""
        app = self.app
        for name in app.poller.due(self.now):
            app.poller.poll(app.stations[name])

        def watch(session: Any) -> None:
            app.desk.run_chains(session, self.now)
            takeovers.tick(session, app.desk, self.now)
            hearing.watch(session, app.desk, app.stations, app.limits, self.now)
            hearing.sum_up_first_run(session, app.desk, app.stations, self.now)

        app.database.in_transaction(watch)
        while app.dispatcher.deliver_next():
            pass

    def pass_time(self, step: timedelta, until: Callable[[], object], most: timedelta, *, leap: str = "") -> timedelta:
        """Tick in steps until something is so; how long that took. Stops at ``most``. With ``leap``, the steps reach
        to the next time at which that platform is due."""
        began = self.now
        while not until() and self.now - began < most:
            due_at = self.platform(leap).due_at if leap else self.now
            self.now = max(self.now + step, min(due_at, began + most))
            self.tick()
        return self.now - began

    def platform(self, name: str) -> PlatformRow:
        """How a platform stands."""
        with self.app.database.read() as session:
            return session.scalars(select(PlatformRow).where(PlatformRow.name == name)).one()
