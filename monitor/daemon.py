"""``earshot run``: one instance, three independent loops, a watcher that looks at progress, and a clean end.

APScheduler only ticks. What is due stands in the database, so that a missed tick costs nothing; polls, alerts and the
watch have executors of their own, so that a hung poll never holds up an alert (reliability notes, 0.1, 0.5).
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from apscheduler.executors.pool import ThreadPoolExecutor as TickPool
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from monitor import persons, rounds
from monitor.app import App
from monitor.clock_jump import Jumps, put_back, steady
from monitor.distress import DAMAGED, FULL, OLDER, Distress, Trouble, free_space
from monitor.notify import notify
from monitor.store import identity, old_log
from monitor.store.database import StoreLost, is_away
from monitor.store.soundness import examine
from monitor.store.tables import LeaseRow, ProgressRow
from monitor.workers import Interrupted, Workers

log = logging.getLogger(__name__)

POLL_TICK, CALM_TICK, ALERT_TICK, WATCH_TICK = 0.5, 2.0, 2.0, 5.0
"""Seconds between looks at what is due. An alert does not wait for its tick: taking in wakes the senders. Polls are
looked for every ``CALM_TICK``, and more often where they are due more often."""

SENDERS = 4
"""Deliveries at once: one mail server that keeps us waiting for ten minutes does not hold up the rest."""

STUCK_AFTER = timedelta(seconds=60)
"""A loop without progress for this long is restarted once; then the process ends for systemd to start anew."""

DRAIN = 5.0
"""Seconds that SIGTERM leaves for what is under way, before it is broken off (bar: the whole end within 10 s)."""

LEASE = timedelta(seconds=30)
ROOM = 1024 * 1024
"""Bytes by which the free space on the disk must have grown before what did not fit is asked for again."""

LOCK = "earshot.lock"
"""The file in the state folder whose lock the one running instance holds."""

STATE = "state folder"
"""The part of the daemon that notes how far the store has come (``Distress``)."""

LONGEST_REST = 300.0
"""Seconds after which a poll that breaks down for an unforeseen reason is tried again, at the longest."""


class AnotherInstance(Exception):
    """Somebody else runs on this state directory or database; the message says who."""


class StateUnusable(Exception):
    """The state folder cannot be written; the message names it."""


@contextlib.contextmanager
def sole_instance(state_dir: Path) -> Iterator[None]:
    """Hold the lock of the state directory. Raises ``AnotherInstance`` naming the holder, and ``StateUnusable``."""
    path = state_dir / LOCK
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StateUnusable(
            f"The state folder {state_dir} cannot be used ({error.strerror or type(error).__name__}). It must be a "
            "folder that Earshot's user may write in; [store] state_dir names it, else it is the database's folder."
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 200).decode("utf-8", "replace").strip() or "another process"
            raise AnotherInstance(
                f"Another Earshot holds {path.name}: {holder}. Stop it first, or use another state directory."
            ) from None
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name on it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@dataclass(slots=True)
class Lease:
    """The right to run on this database, renewed while we live. ``fence`` grows with every holder."""

    app: App
    holder: str = field(default_factory=lambda: f"process {os.getpid()} on {socket.gethostname()}")
    fence: int = 0
    _good_until: float = 0.0

    def take(self) -> None:
        """Take or renew the lease. Raises ``AnotherInstance`` when somebody else holds it."""

        def work(session: Session) -> int:
            now = self.app.clock()
            row = session.get(LeaseRow, "daemon", with_for_update=True)
            if row is None:
                row = LeaseRow(name="daemon", holder="", fence=0, until=now)
                session.add(row)
            if row.until > now and (row.holder, row.fence) != (self.holder, self.fence) and self._lives(row.holder):
                raise AnotherInstance(f"Another Earshot runs on this database: {row.holder}. Stop it first.")
            if self.fence and row.fence != self.fence:
                raise AnotherInstance(f"Another Earshot took over this database: {row.holder}.")
            row.fence = self.fence or row.fence + 1
            row.holder, row.until = self.holder, now + LEASE
            return row.fence

        begun = steady()
        self.fence = self.app.database.in_transaction(work)
        self._good_until = begun + LEASE.total_seconds()

    def is_good(self) -> bool:
        """Whether the lease was renewed within its time. A process that was stopped for longer must first ask
        whether another took over, and neither polls nor sends before."""
        return steady() < self._good_until

    def drop(self) -> None:
        """Neither poll nor send from now on, until the lease is taken anew."""
        self._good_until = 0.0

    def give_back(self) -> None:
        """Let go, so that a successor need not wait."""

        def work(session: Session) -> None:
            row = session.get(LeaseRow, "daemon")
            if row is not None and row.fence == self.fence:
                row.until = self.app.clock()

        self.app.database.in_transaction(work)

    def _lives(self, holder: str) -> bool:
        """A process of this machine that is gone holds nothing any more: after SIGKILL we need not wait."""
        number, _, host = holder.removeprefix("process ").partition(" on ")
        if host != socket.gethostname() or not number.isdigit():
            return True
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return int(number) != os.getpid()


class Daemon:
    """The running house. ``run`` returns the exit code."""

    def __init__(
        self, app: App, *, on_tick: Callable[[], None] | None = None, stuck_after: timedelta = STUCK_AFTER
    ) -> None:
        self.app = app
        self._stuck_after = stuck_after.total_seconds()
        self._jumps = Jumps(app.clock())
        self.lease = Lease(app)
        self._on_tick = on_tick
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._progress: dict[str, float] = {}
        self._polls: dict[str, Future[None]] = {}
        self._resting: dict[str, tuple[int, float]] = {}
        self._distress = Distress(app)
        self._known: identity.Known | None = None
        self._owed: dict[Trouble, datetime] = {}
        self._whole_at = 0.0
        self._is_mended = self._is_noted = False
        self._least_free: int | None = None
        self._sending: set[Future[None]] = set()
        self._pollers = ThreadPoolExecutor(max_workers=max(1, len(app.stations)), thread_name_prefix="poll")
        self._senders = ThreadPoolExecutor(max_workers=SENDERS, thread_name_prefix="send")
        self._scheduler: BackgroundScheduler | None = None
        self._feeder: threading.Thread | None = None
        self._jobs: list[Housekeeping] = []
        self._exit = 0
        app.standing_still = self._stuck

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def prepare(self) -> None:
        """Take the lease, look who stands in the settings, free what a dead daemon had claimed, make every platform
        due."""
        self._known = identity.recall(self.app.settings.state_dir)
        self.lease.take()
        app = self.app
        persons.begin(app)
        self.app.poller.prepare(self.app.stations)
        freed = self.app.dispatcher.free()
        if freed:
            log.info("alerts of an interrupted run are due again", extra={"alerts": freed})

    def owe(self, trouble: Trouble) -> None:
        """Tell operator and CEO of ``trouble`` as soon as mail leaves, past the outbox."""
        self._owed[trouble] = self.app.clock()

    def run(self) -> int:
        """Run, once prepared, until SIGTERM, SIGINT or a fault that only a new process mends. 0 when ended by a
        signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        self._start_ticking()
        notify("READY=1")
        log.info("listening", extra={"platforms": sorted(self.app.stations)})
        self._watch_over()
        self._end()
        return self._exit

    def _watch_over(self) -> None:
        """Look at the loops' progress from outside until the end: a loop that stands still is started anew once."""
        looked, started_anew = time.monotonic(), 0.0
        while not self._stop.wait(min(1.0, self._stuck_after / 4)):
            now = time.monotonic()
            if now - looked > self._stuck_after / 2:
                self._progress = dict.fromkeys(self._progress, now)  # we all stood still: the machine was stopped
            looked = now
            stuck = self._stuck()
            if not stuck:
                notify("WATCHDOG=1")
                continue
            if started_anew and now - started_anew < 5 * self._stuck_after:
                log.critical("loops make no progress; ending for a new start", extra={"loops": stuck})
                self._exit = 1
                return
            log.error("loops make no progress; the ticker is started anew", extra={"loops": stuck})
            started_anew = now
            self._start_ticking()

    def stop(self) -> None:
        """Ask the daemon to end; safe to call from a signal handler or another thread."""
        self._stop.set()
        self._wake.set()

    def _end(self) -> None:
        notify("STOPPING=1")
        self._stop.set()
        self._wake.set()
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
        workers = self.app.runner if isinstance(self.app.runner, Workers) else None
        if workers is not None:
            workers.leave()
        if self._under_way_after(DRAIN) and workers is not None:
            workers.close()
            self._under_way_after(1.0)
        self._pollers.shutdown(wait=False, cancel_futures=True)
        self._senders.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(Exception):
            self.lease.give_back()
        self._note_loss()
        self.app.close()
        log.info("ended")

    def _under_way_after(self, seconds: float) -> bool:
        """Whether polls or deliveries are still under way after at most so long."""
        until = time.monotonic() + seconds
        while under_way := [f for f in (*self._polls.values(), *self._sending) if not f.done()]:
            if time.monotonic() > until:
                break
            time.sleep(0.05)
        return bool(under_way)

    # ── ticking ─────────────────────────────────────────────────────────────────────────────────

    def _start_ticking(self) -> None:
        if self._scheduler is not None:
            with contextlib.suppress(Exception):
                self._scheduler.shutdown(wait=False)
        now = time.monotonic()
        self._progress = {"poll": now, "watch": now, "alerts": now}
        if self._feeder is None or not self._feeder.is_alive():
            self._feeder = threading.Thread(target=self._feed_senders, name="alerts", daemon=True)
            self._feeder.start()
        executors = {name: TickPool(1) for name in ("poll", "watch")}
        scheduler = BackgroundScheduler(executors=executors, timezone="UTC")
        for name, seconds, work in (
            ("poll", self._poll_every(), self._poll_tick),
            ("watch", WATCH_TICK, self._watch_tick),
        ):
            scheduler.add_job(
                self._tick, "interval", args=(name, work), seconds=seconds, id=name, executor=name,
                misfire_grace_time=None, coalesce=True, max_instances=1,
            )  # fmt: skip
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # "skipped" is normal while a tick takes long
        scheduler.start()
        self._scheduler = scheduler

    def _poll_every(self) -> float:
        """A tenth of the shortest time between polls: a look costs little, but an idle house should cost nothing."""
        wishes = [getattr(station.settings, "poll_every", None) for station in self.app.stations.values()]
        plans = [station.plan().hurried for station in self.app.stations.values()]
        shortest = min([*(wish for wish in wishes if wish), *plans, self.app.settings.takeover.poll_every])
        tenth: float = shortest.total_seconds() / 10
        return max(POLL_TICK, min(CALM_TICK, tenth))

    def _tick(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
            self._progress[name] = time.monotonic()
            if self._distress.worked(name):
                self._is_mended = True
        except AnotherInstance as error:
            log.critical("lost the database to another instance", extra={"why": str(error)})
            self._exit = 3
            self.stop()
        except SQLAlchemyError as error:
            self._progress[name] = time.monotonic()  # the loop goes round; a new process would not mend the database
            if isinstance(error, StoreLost):
                self.lease.drop()
                self._note_loss()
            self._broke(error, name)
        except Exception:  # bulkhead: a tick
            log.exception("a tick broke down", extra={"loop": name})

    def _note_loss(self) -> None:
        """Remember in the state folder which file was lost, so that the next start lays no log over another one."""
        database = self.app.database
        if self._is_noted or not database.is_lost():
            return
        try:
            old_log.note(database, self.app.settings.state_dir)
            self._is_noted = True
            log.warning("the store is lost; its log is not folded into what lies there now")
        except OSError as error:
            log.error("the loss could not be noted", extra={"error": type(error).__name__})

    def _broke(self, error: Exception, part: str) -> None:
        """Note what broke a part of the daemon. A database that is away is told by ``Distress``, in one line for all
        parts; anything else is a fault of ours, and leaves its places in the log."""
        if not is_away(error):
            log.error("part of the daemon broke down", exc_info=error, extra={"part": part})
        self._distress.failed(error, part)

    def _stuck(self) -> list[str]:
        now = time.monotonic()
        return [name for name, at in self._progress.items() if now - at > self._stuck_after]

    def _poll_tick(self) -> None:
        self._mind_the_clock()
        if not self.lease.is_good():
            return
        for name in self.app.poller.due(self.app.clock()):
            running = self._polls.get(name)
            if self._resting.get(name, (0, 0.0))[1] > time.monotonic():
                continue
            if (running is None or running.done()) and name in self.app.stations and not self._stop.is_set():
                self._polls[name] = self._pollers.submit(self._poll, name)

    def _mind_the_clock(self) -> None:
        now = self.app.clock()
        jump = self._jumps.since(now)
        if not jump:
            return
        log.warning("the clock was set", extra={"seconds": round(jump.total_seconds())})
        if jump < timedelta():
            self.app.database.in_transaction(lambda s: put_back(s, -jump, now))

    def _poll(self, name: str) -> None:
        try:
            self.app.poller.poll(self.app.stations[name], on_taken=self._wake.set)
            self._resting.pop(name, None)
            self._distress.worked(f"poll of {name}")
        except Interrupted:
            log.info("a poll was broken off", extra={"platform": name})
        except Exception as error:  # bulkhead: a tick
            # whatever broke, it is asked again in growing gaps: each try may cost something at the platform
            times = self._resting.get(name, (0, 0.0))[0] + 1
            self._resting[name] = times, time.monotonic() + min(2.0**times, LONGEST_REST)
            self._broke(error, f"poll of {name}")
        finally:
            self._wake.set()

    def _watch_tick(self) -> None:
        self._find_store_again()
        self.lease.take()
        app, now = self.app, self.app.clock()

        def work(session: Session) -> identity.Known | None:
            identity.watch(session, self._known)
            rounds.look_after(session, app, now)
            return self._write_progress(session, now)

        self._remember(app.database.in_transaction(work))
        self._take_up_again()
        self._tell_what_is_owed()
        for job in self._jobs:
            job.run_when_due(now)
        if self._on_tick is not None:
            self._on_tick()
        self._wake.set()

    def _write_progress(self, session: Session, now: datetime) -> identity.Known | None:
        row = session.scalar(select(ProgressRow).where(ProgressRow.loop == "watch"))
        if row is None:
            session.add(ProgressRow(loop="watch", at=now))
        elif now - row.at >= timedelta(seconds=15):
            row.at = now
        else:
            return None
        return identity.beat(session)

    def _remember(self, known: identity.Known | None) -> None:
        """Note in the state folder how far the store has come, so that an older copy is known as one."""
        if known is None or OLDER in self._owed:  # until somebody was told, the next start must find it again
            return
        try:
            identity.remember(self.app.settings.state_dir, known)
        except OSError as error:
            log.error("the state folder takes nothing", extra={"error": type(error).__name__})
            self._distress.failed(error, STATE)
        else:
            self._known = known
            self._distress.worked(STATE)

    def _tell_what_is_owed(self) -> None:
        for trouble, since in tuple(self._owed.items()):
            if self._distress.was_told(trouble, since):
                del self._owed[trouble]
            else:
                self._distress.tell(trouble, since)

    def look_at_the_whole(self, now: datetime) -> None:
        """Look for damage that no query has met yet, for a hundredth of the time at most."""
        del now
        began, database = time.monotonic(), self.app.database
        if began < self._whole_at or database.is_lost():
            return
        identity.look_at_the_name(database, self._known)
        was, database.damage = database.damage, examine(database)
        self._whole_at = time.monotonic() + 100 * (time.monotonic() - began)
        if database.damage and not was:
            log.critical("the database is damaged", extra={"what": database.damage})
            self.owe(DAMAGED)

    def _take_up_again(self) -> None:
        """Ask at once for what could not be stored, when the database works again or the disk has room again: the
        gaps that grow are for a fault that lasts."""
        free = free_space(self.app.settings)
        least = self._least_free
        self._least_free = free if least is None else min(free, least)
        has_room = self._least_free < FULL and free >= self._least_free + ROOM
        if not self._is_mended and not has_room:
            return
        self._is_mended, self._least_free = False, free
        self._resting.clear()
        if self.app.poller.retry_unkept():
            log.info("what could not be stored is asked for again")

    def _find_store_again(self) -> None:
        """Use a file that was put back, once it is known by its name; until then the store stays lost."""
        database = self.app.database
        if self._known is None or not database.is_lost() or not identity.is_back(database, self.app.settings.state_dir):
            return
        database.reopen()
        old_log.forget(self.app.settings.state_dir)
        self._is_noted = False
        log.warning("the store that was lost is back")

    def every(self, interval: timedelta, name: str, work: Callable[[datetime], None]) -> None:
        """Add something that the watch loop does now and then: forgetting, re-checks, the digest."""
        self._jobs.append(Housekeeping(name, interval, work, self._distress))

    # ── sending ─────────────────────────────────────────────────────────────────────────────────

    def _feed_senders(self) -> None:
        """Wake at every taking-in, at the latest after ``ALERT_TICK``; hand out one delivery per free sender."""
        while not self._stop.is_set():
            self._progress["alerts"] = time.monotonic()
            self._wake.wait(ALERT_TICK)
            self._wake.clear()
            self._sending = {future for future in self._sending if not future.done()}
            with contextlib.suppress(RuntimeError):  # the pool was shut down under us
                while len(self._sending) < SENDERS and self._may_send() and self._anything_due():
                    self._sending.add(self._senders.submit(self._send_all))
                    if len(self._sending) > 1:
                        break

    def _may_send(self) -> bool:
        return not self._stop.is_set() and self.lease.is_good()

    def _anything_due(self) -> bool:
        try:
            is_due = self.app.dispatcher.is_due()
            self._distress.worked("outbox")
            return is_due
        except Exception as error:  # bulkhead: a channel
            self._broke(error, "outbox")
            time.sleep(1)
            return False

    def _send_all(self) -> None:
        try:
            while self._may_send() and self.app.dispatcher.deliver_next():
                pass
            self._distress.worked("senders")
        except Interrupted:
            log.info("a delivery was broken off")
        except Exception as error:  # bulkhead: a channel
            self._broke(error, "senders")
            time.sleep(1)


@dataclass(slots=True)
class Housekeeping:
    """Something done now and then in a thread of its own, never twice at a time."""

    name: str
    interval: timedelta
    work: Callable[[datetime], None]
    distress: Distress | None = None
    last: float | None = None
    running: threading.Thread | None = None

    def run_when_due(self, now: datetime) -> None:
        """Start it when its time has come and the last round is over."""
        if self.running is not None and self.running.is_alive():
            return
        if self.last is not None and time.monotonic() - self.last < self.interval.total_seconds():
            return
        self.last = time.monotonic()
        self.running = threading.Thread(target=self._go, args=(now,), name=self.name, daemon=True)
        self.running.start()

    def _go(self, now: datetime) -> None:
        try:
            self.work(now)
            if self.distress is not None:
                self.distress.worked(self.name)
        except Exception as error:  # bulkhead: a tick
            if not is_away(error):
                log.exception("housekeeping broke down", extra={"job": self.name})
            if self.distress is not None and isinstance(error, SQLAlchemyError):
                self.distress.failed(error, self.name)
