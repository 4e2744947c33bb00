"""One poll of one platform: reserve, fetch in a killable process, judge, take in, settle. No transaction is
open while a platform is asked or a mention is judged."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    SetupRejected,
    UnexpectedReply,
    Unreachable,
)
from connectors.model import Allowance, AnyPlatform, Batch, Organisation, PollPlan
from monitor import hearing, ledger, takeovers
from monitor.asking import examine as examine
from monitor.asking import fetch as fetch
from monitor.asking import recheck as recheck
from monitor.clock import Clock
from monitor.intake import Intake, Taken
from monitor.store.database import Database
from monitor.store.tables import PlatformRow
from monitor.workers import DeadlineExceeded, WorkFailed

log = logging.getLogger(__name__)
T = TypeVar("T")

HURRY_FOR = timedelta(hours=2)
"""How long polling stays fast after an alert (platform facts, 5.1)."""

PAGES_AT_ONCE = 50
"""Fetches in a row that follow a storm's pages before the loop looks round again."""


class Runner(Protocol):
    """Runs work under a total deadline: ``workers.Workers``, or ``workers.Inline`` in tests."""

    def run(self, deadline: timedelta, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What ``work`` returns or raises."""
        ...


@dataclass(frozen=True, slots=True)
class Station:
    """A platform in use: what it offers, its settings, and the organisation that we listen for."""

    platform: AnyPlatform
    settings: Any
    organisation: Organisation
    terms: Any = None

    @property
    def name(self) -> str:
        """The platform's name."""
        return self.platform.name

    def plan(self) -> PollPlan:
        """How often to poll and what it costs."""
        return self.platform.plan(self.settings, self.organisation)


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls one platform at a time, whichever thread asks; what is due stands in the database."""

    database: Database
    intake: Intake
    runner: Runner
    clock: Clock
    deadline: timedelta
    takeover_every: timedelta
    settings_of: Callable[[Session, Station], Any]
    """The platform's settings with a renewed token put in, where there is one."""

    def prepare(self, stations: Mapping[str, Station]) -> None:
        """Give every platform in use a row that is due now: settings may have been mended since the last run."""

        def work(session: Session) -> None:
            now = self.clock()
            for known in session.scalars(select(PlatformRow)):
                known.in_use = known.in_use and known.name in stations
            for station in stations.values():
                _admit(session, station, now)

        self.database.in_transaction(work)

    def admit(self, station: Station) -> None:
        """Make one platform due now and leave the others alone: for commands beside a running daemon."""
        self.database.in_transaction(lambda session: _admit(session, station, self.clock()))

    def retry_unkept(self) -> int:
        """Make due now what was heard and could not be stored. Returns how many platforms that are."""

        def work(session: Session) -> int:
            now, unkept = self.clock(), PlatformRow.error_class == hearing.NotKept.__name__
            rows = session.scalars(select(PlatformRow).where(unkept, PlatformRow.due_at > now)).all()
            for row in rows:
                row.due_at = now
            return len(rows)

        return self.database.in_transaction(work)

    def due(self, now: datetime) -> list[str]:
        """The platforms whose time has come, longest waiting first."""
        with self.database.read() as session:
            return list(
                session.scalars(
                    select(PlatformRow.name)
                    .where(PlatformRow.in_use.is_(True), PlatformRow.due_at <= now)
                    .order_by(PlatformRow.due_at)
                )
            )

    def poll(self, station: Station, *, on_taken: Callable[[], None] | None = None) -> Taken:
        """Poll until nothing more waits or the allowance is used up. Never raises a connector's error: those are
        written down with the platform, and told by ``hearing``. ``on_taken`` is called after each commit, so that
        alerts leave while a storm's later pages are still being read."""
        total = Taken()
        for _ in range(PAGES_AT_ONCE):
            taken, more = self._poll_once(station)
            if taken is None:
                break
            total.new += taken.new
            total.edited += taken.edited
            total.gone += taken.gone
            total.incidents += taken.incidents
            if on_taken is not None:
                on_taken()
            if not more:
                break
        return total

    def _poll_once(self, station: Station) -> tuple[Taken | None, bool]:
        plan = station.plan()
        started = self.clock()
        cursor, allowance, settings = self.database.in_transaction(lambda s: self._reserve(s, station, plan, started))
        if ledger.is_exhausted(plan, allowance.left):
            self.database.in_transaction(lambda s: self._rest(s, station, plan, allowance, started))
            return None, False
        try:
            batch: Batch = self.runner.run(
                self.deadline, fetch, station.name, settings, station.organisation, cursor, allowance
            )
        except (ConnectorError, DeadlineExceeded, WorkFailed) as error:
            failure = _as_ours(station.name, error)
            self.database.in_transaction(lambda s: self._failed(s, station, plan, allowance, started, failure))
            return None, False
        fresh = self.intake.unknown(self.database, batch.mentions)
        judged = self.intake.judge(fresh)

        def work(session: Session) -> Taken:
            now = self.clock()
            row = session.get_one(PlatformRow, station.name, with_for_update=True)
            if row.first_poll_at is None:
                row.first_poll_at = started
            history = row.begun_at if row.first_sweep_at is None else None
            taken = self.intake.take_in(
                session,
                judged,
                batch.mentions,
                batch.gone,
                platform=station.name,
                now=now,
                history_before=history,
            )
            ledger.settle(session, station.name, plan, started, allowance.left, batch.spent)
            row.cursor = batch.cursor if batch.cursor is not None else row.cursor
            if not batch.more and row.first_sweep_at is None:
                row.first_sweep_at = now
            hearing.heard(session, row, batch, started)
            row.due_at = now if batch.more else self._next(session, station, plan, row, taken, started, now)
            return taken

        try:
            taken = self.database.in_transaction(work)
        except SQLAlchemyError as error:
            self._not_kept(station, plan, allowance, started, batch, error)
            return None, False
        if taken.new or batch.dropped:
            log.info(
                "heard",
                extra={
                    "platform": station.name,
                    "new": taken.new,
                    "edited": taken.edited,
                    "incidents": len(taken.incidents),
                    "dropped": batch.dropped,
                },
            )
        for shape in batch.shapes[:3]:
            log.warning("an entry could not be read", extra={"platform": station.name, "shape": shape})
        return taken, batch.more

    def _not_kept(
        self,
        station: Station,
        plan: PollPlan,
        allowance: Allowance,
        started: datetime,
        batch: Batch,
        error: SQLAlchemyError,
    ) -> None:
        """What was heard could not be stored: the cursor stays, so that it is heard again, and the gaps grow, so
        that asking for it again and again does not eat the allowance. Raises ``error`` where not even that can be
        written down (the disk is full)."""
        log.error("what was heard could not be kept", extra={"platform": station.name, "error": type(error).__name__})
        failure = hearing.NotKept(
            f"What {station.name} showed could not be stored ({type(error).__name__}).",
            "Look into the log, at the disk and at the database; Earshot tries again by itself.",
            code="not-kept",
            spent=batch.spent,
        )
        try:
            self.database.in_transaction(lambda s: self._failed(s, station, plan, allowance, started, failure))
        except SQLAlchemyError:
            raise error from None

    def _reserve(
        self, session: Session, station: Station, plan: PollPlan, now: datetime
    ) -> tuple[str | None, Allowance, Any]:
        row = session.get_one(PlatformRow, station.name)
        row.polled_at = now
        remaining = ledger.left(session, station.name, plan.buckets, now)
        if ledger.is_exhausted(plan, remaining):
            return row.cursor, Allowance(now, remaining), None
        taken = ledger.reserve(session, station.name, plan, now)
        return row.cursor, Allowance(now, taken, self._hurried(session, now)), self.settings_of(session, station)

    def _hurried(self, session: Session, now: datetime) -> bool:
        return takeovers.is_active(session) or takeovers.alerted_since(session, now - HURRY_FOR)

    def _rest(self, session: Session, station: Station, plan: PollPlan, allowance: Allowance, now: datetime) -> None:
        """An allowance is used up: wait until it fills up again, and say so."""
        empty = [b for b in plan.buckets if b.per_poll > 0 and allowance.left.get(b.name, 0) < b.per_poll]
        until = min(ledger.period_end(bucket.period, now) for bucket in empty)
        failure = RateLimited(
            f"The allowance of {', '.join(f'{b.amount} {b.unit}' for b in empty)} is used up.",
            "Nothing is broken. To hear more, raise the allowance in the settings.",
            code="allowance",
            retry_at=until,
        )
        hearing.failed(session, session.get_one(PlatformRow, station.name), failure, now)
        session.get_one(PlatformRow, station.name).due_at = until

    def _failed(
        self,
        session: Session,
        station: Station,
        plan: PollPlan,
        allowance: Allowance,
        started: datetime,
        error: ConnectorError,
    ) -> None:
        now = self.clock()
        row = session.get_one(PlatformRow, station.name)
        if error.spent is not None:
            ledger.settle(session, station.name, plan, started, allowance.left, error.spent)
        hearing.failed(session, row, error, now)
        row.due_at = self._retry(session, station, plan, row, error, now)
        log.warning(
            "could not hear",
            extra={"platform": station.name, "error": type(error).__name__, "code": error.code, "shape": error.shape},
        )

    def _next(
        self,
        session: Session,
        station: Station,
        plan: PollPlan,
        row: PlatformRow,
        taken: Taken,
        started: datetime,
        now: datetime,
    ) -> datetime:
        """When to poll again: counted from the poll's start, so that its own length does not stretch the interval,
        with a pause of a quarter of it at least."""
        wish: timedelta | None = getattr(station.settings, "poll_every", None)
        hurried = taken.grave or self._hurried(session, now)
        remaining = ledger.left(session, station.name, plan.buckets, now)
        interval: timedelta
        if wish is not None:
            interval = wish
        else:
            interval = plan.hurried if hurried else plan.calm
            for usage, slower in plan.at_usage:
                if (row.usage or 0.0) >= usage:
                    interval = max(interval, slower)
            interval = ledger.pace(plan, remaining, now, interval)
            interval *= random.uniform(0.9, 1.1)  # noqa: S311 - spreads the platforms, no secret
        if takeovers.is_active(session) and not ledger.is_exhausted(plan, remaining):
            fast = self.takeover_every if wish is not None else ledger.pace(plan, remaining, now, self.takeover_every)
            interval = min(interval, fast)
        return max(started + interval, now + interval / 4)

    def _retry(
        self, session: Session, station: Station, plan: PollPlan, row: PlatformRow, error: ConnectorError, now: datetime
    ) -> datetime:
        """When to try again after a failure: at the platform's own word, or with growing gaps."""
        usual: timedelta = getattr(station.settings, "poll_every", None) or plan.calm
        if error.retry_at is not None:
            return max(error.retry_at + timedelta(seconds=random.uniform(0, 2)), now + timedelta(seconds=1))  # noqa: S311
        growth = int(2 ** min(max(0, row.failures - 1), 10))
        wait: timedelta
        match error:
            case CredentialsRejected() | SetupRejected():
                wait = min(max(usual, timedelta(seconds=10)) * growth, max(usual, timedelta(minutes=15)))
            case RateLimited():
                wait = min(max(usual * 2, timedelta(seconds=30)) * growth, max(usual, timedelta(hours=1)))
            case _:
                wait = min(usual * (growth if row.failures > 3 else 1), max(usual, timedelta(minutes=5)))
        return now + wait


def _admit(session: Session, station: Station, now: datetime) -> None:
    row = session.get(PlatformRow, station.name)
    if row is None:
        row = PlatformRow(name=station.name, in_use=True, due_at=now, failures=0, error="", suspect="", gap="")
        session.add(row)
    if row.first_sweep_at is None and (row.begun_at is None or not row.in_use):
        row.begun_at = now  # also for one that comes back into the settings before it ever answered
    row.in_use = True
    row.never_shows = list(station.platform.never_shows) or list(row.never_shows or [])
    limited = row.error_class == RateLimited.__name__ and row.retry_at is not None and row.retry_at > now
    row.due_at = row.retry_at if limited and row.retry_at is not None else now


def _as_ours(platform: str, error: Exception) -> ConnectorError:
    match error:
        case ConnectorError():
            return error
        case DeadlineExceeded():
            return Unreachable(f"{platform} kept us waiting and was given up: {error}.", code="deadline")
        case _:
            return UnexpectedReply(
                f"Hearing {platform} broke down ({error}).",
                "Earshot tries again by itself. If it lasts, update Earshot or report this line.",
                code="broke",
            )
