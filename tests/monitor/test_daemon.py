"""One instance, a lease with a fence, loops that are watched by their progress, and a clean end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from makers import a_mention, an_assessment
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from alerts.model import Severity
from connectors.errors import Unreachable
from monitor import daemon as module
from monitor import ping
from monitor.daemon import AnotherInstance, Daemon, Housekeeping, Lease, sole_instance
from monitor.model import Category
from monitor.store.tables import AlertRow, LeaseRow, ProgressRow
from monitor.testing import House, a_house

HOST = socket.gethostname()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = a_house(tmp_path)
    house.tick()
    house.fast_forward(minutes=2)
    house.mailer.letters.clear()
    yield house
    house.app.close()


@pytest.fixture
def daemon(house: House) -> Iterator[Daemon]:
    daemon = Daemon(house.app)
    yield daemon
    daemon._end()


def _row(house: House) -> LeaseRow:
    with house.app.database.read() as session:
        return session.get_one(LeaseRow, "daemon")


# ── one instance ────────────────────────────────────────────────────────────────────────────────────


def test_a_second_instance_on_a_state_directory_is_told_who_holds_it(tmp_path: Path) -> None:
    held = pytest.raises(AnotherInstance, match=rf"process {os.getpid()} on")
    with sole_instance(tmp_path), held, sole_instance(tmp_path):
        pass
    with sole_instance(tmp_path):
        pass


def test_a_lease_that_somebody_holds_on_another_machine_is_respected_until_it_ends(house: House) -> None:
    other = Lease(house.app, holder="process 7 on elsewhere")
    other.take()

    with pytest.raises(AnotherInstance, match="process 7 on elsewhere"):
        Lease(house.app).take()
    house.now += module.LEASE + timedelta(seconds=1)
    Lease(house.app).take()

    assert _row(house).fence == 2


def test_a_holder_that_was_killed_on_this_machine_need_not_be_waited_for(house: House) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(30)
    gone = Lease(house.app, holder=f"process {ended.pid} on {HOST}")
    gone.take()

    Lease(house.app).take()

    assert _row(house).holder == f"process {os.getpid()} on {HOST}"


def test_one_that_was_stopped_and_overtaken_is_fenced_when_it_wakes(house: House) -> None:
    sleeper = Lease(house.app, holder="process 7 on elsewhere")
    sleeper.take()
    house.now += module.LEASE * 2
    Lease(house.app, holder="process 8 on elsewhere").take()

    with pytest.raises(AnotherInstance):
        sleeper.take()
    house.now += module.LEASE * 2
    with pytest.raises(AnotherInstance, match="took over"):
        sleeper.take()


def test_a_lease_that_was_given_back_is_free_at_once(house: House) -> None:
    first = Lease(house.app, holder="process 7 on elsewhere")
    first.take()
    first.take()
    first.give_back()

    Lease(house.app, holder="process 8 on elsewhere").take()


def test_losing_the_lease_ends_the_daemon_with_3(house: House, daemon: Daemon) -> None:
    daemon.prepare()

    def overtake(session: object) -> None:
        row = session.get_one(LeaseRow, "daemon")  # type: ignore[attr-defined]
        row.holder, row.fence, row.until = "process 9 on elsewhere", 9, house.now + timedelta(hours=1)

    house.app.database.in_transaction(overtake)
    daemon._tick("watch", daemon._watch_tick)

    assert daemon._exit == 3
    assert daemon._stop.is_set()


# ── loops ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_an_interrupted_run_had_claimed_is_due_again_at_the_start(house: House, daemon: Daemon) -> None:
    house.say(a_mention("a complaint"), an_assessment(Severity.ALERT, Category.COMPLAINT))
    house.now += timedelta(minutes=1)
    house.app.poller.poll(house.app.stations["facebook"])
    assert house.app.database.in_transaction(house.app.dispatcher._claim) is not None
    assert not house.app.dispatcher.is_due()

    daemon.prepare()

    assert house.app.dispatcher.is_due()


def test_a_loop_is_stuck_when_it_makes_no_progress_and_not_when_the_database_is_away(daemon: Daemon) -> None:
    def away() -> None:
        raise OperationalError("select", {}, Exception("gone"))

    def broken() -> None:
        raise RuntimeError("ours")

    long_ago = time.monotonic() - module.STUCK_AFTER.total_seconds() - 1
    daemon._progress = {"poll": long_ago, "watch": long_ago}
    daemon._tick("watch", away)
    daemon._tick("poll", broken)

    assert daemon._stuck() == ["poll"]


def test_the_watch_writes_its_progress_down(house: House, daemon: Daemon) -> None:
    daemon.prepare()
    daemon._watch_tick()

    with house.app.database.read() as session:
        assert [row.loop for row in session.scalars(select(ProgressRow))] == ["watch"]


def test_housekeeping_is_never_done_twice_at_a_time_and_survives_a_fault() -> None:
    go, count = threading.Event(), []

    def work(now: datetime) -> None:
        count.append(now)
        go.wait(5)
        raise ArithmeticError

    job = Housekeeping("test", timedelta(), work)
    now = datetime(2026, 1, 1)  # noqa: DTZ001
    for _ in range(3):
        job.run_when_due(now)
    go.set()
    assert job.running is not None
    job.running.join(5)
    job.run_when_due(now)
    job.running.join(5)

    assert len(count) == 2


def test_a_daemon_listens_tells_and_ends_when_asked(house: House, daemon: Daemon) -> None:
    house.say(a_mention("a complaint"), an_assessment(Severity.ALERT, Category.COMPLAINT))
    house.now += timedelta(minutes=1)
    runner = threading.Thread(target=_run, args=(daemon,))
    runner.start()
    until = time.monotonic() + 20
    while not house.inbox("ceo") and time.monotonic() < until:
        time.sleep(0.02)
    daemon.stop()
    runner.join(60)

    assert house.inbox("ceo")
    assert not runner.is_alive()


def _run(daemon: Daemon) -> None:
    """What ``run`` does, in a thread that may set no signal handlers."""
    daemon.prepare()
    daemon._start_ticking()
    sender = threading.Thread(target=daemon._feed_senders)
    sender.start()
    daemon._stop.wait(30)
    daemon._end()
    sender.join(5)


# ── the dead man's switch ───────────────────────────────────────────────────────────────────────────


def test_all_is_well_while_everything_works(house: House) -> None:
    house.scorer.told[ping.CANARY] = an_assessment(Severity.ALERT)

    assert ping.reasons(house.app, house.now) == []


def test_no_ping_leaves_while_the_judgement_sees_nothing_or_breaks(house: House) -> None:
    assert "judgement" in ping.reasons(house.app, house.now)[0]
    house.scorer.told[ping.CANARY] = None
    assert not ping.send(house.app, house.now)


def test_no_ping_leaves_while_alerts_wait_or_nothing_can_be_heard(house: House) -> None:
    house.scorer.told[ping.CANARY] = an_assessment(Severity.ALERT)
    house.mailer.refuse("nobody")
    for name in ("facebook", "x"):
        house.fail(name, Unreachable("away"))
    house.app.database.in_transaction(lambda s: house.app.desk.owe_unscored(s, "x", "1", "", "E", house.now))
    with house.app.database.write() as session:
        for row in session.scalars(select(AlertRow)):
            row.retry_at = house.now + timedelta(hours=1)
    house.now += timedelta(minutes=11)
    for name in ("facebook", "x"):
        house.app.poller.poll(house.app.stations[name])

    said = " ".join(ping.reasons(house.app, house.now))

    assert "does not leave as it should" in said
    assert "no platform can be heard" in said


def test_the_canary_alerts_under_the_real_rules() -> None:
    from judging import by_rules

    assert by_rules().assess(a_mention(ping.CANARY)).severity >= Severity.ALERT
