"""Loops that stand still and clocks that are set are noticed from outside; nothing waits for the old time."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from makers import a_mention, an_assessment
from sqlalchemy import update
from town import eventually

from alerts.model import Severity
from monitor.daemon import AnotherInstance, Daemon, Lease
from monitor.model import Category
from monitor.store.tables import AlertRow, IncidentRow, LeaseRow, PlatformRow
from monitor.testing import House, a_house

pytestmark = pytest.mark.real
SOON = timedelta(seconds=2)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    made = a_house(tmp_path)
    yield made
    made.app.close()
    for number, handler in before.items():
        signal.signal(number, handler)


def _beside(daemon: Daemon, work: Callable[[], None]) -> threading.Thread:
    """Do something to a running daemon from another thread, and end it whatever comes of it."""

    def go() -> None:
        try:
            work()
        finally:
            daemon.stop()

    thread = threading.Thread(target=go)
    thread.start()
    return thread


def test_a_ticker_that_died_is_started_anew(house: House, caplog: pytest.LogCaptureFixture) -> None:
    ticks: list[int] = []
    daemon = Daemon(house.app, on_tick=lambda: ticks.append(1), stuck_after=timedelta(seconds=6))

    def kill_the_ticker() -> None:
        eventually(lambda: ticks, 20, "a first tick")
        dead = daemon._scheduler
        assert dead is not None
        dead.shutdown(wait=False)
        seen = len(ticks)
        eventually(lambda: daemon._scheduler is not dead and len(ticks) > seen, 40, "the ticks to go on")

    with caplog.at_level(logging.ERROR):
        thread = _beside(daemon, kill_the_ticker)
        code = daemon.run()
        thread.join(5)

    assert code == 0
    assert "the ticker is started anew" in caplog.text


def test_a_loop_that_never_gets_anywhere_ends_the_process_for_a_new_start(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down() -> None:
        raise ArithmeticError("a fault of our own")

    daemon = Daemon(house.app, on_tick=break_down, stuck_after=SOON)
    with caplog.at_level(logging.CRITICAL):
        code = daemon.run()

    assert code == 1
    assert "ending for a new start" in caplog.text


def test_a_clock_that_is_put_back_makes_us_neither_blind_nor_mute(house: House) -> None:
    house.tick()
    house.fast_forward(minutes=2)
    house.say(a_mention("a disclosure"), an_assessment(Severity.CRISIS, Category.SAFEGUARDING))
    house.fast_forward(minutes=1)
    daemon = Daemon(house.app)
    daemon.prepare()
    database = house.app.database
    with database.write() as session:
        session.execute(update(AlertRow).values(delivered_at=None, retry_at=house.now + timedelta(seconds=30)))
        session.execute(update(PlatformRow).values(due_at=house.now + timedelta(seconds=25)))
        incident = session.query(IncidentRow).one()
        ahead = (incident.next_step_at or house.now) - house.now

    house.now -= timedelta(hours=1)
    daemon._poll_tick()

    later = house.now + timedelta(seconds=31)
    assert set(house.app.poller.due(later)) == {"facebook", "x"}
    with database.read() as session:
        assert all(row.retry_at <= later for row in session.query(AlertRow))
        owed_in = (session.query(IncidentRow).one().next_step_at or later) - house.now
    assert abs(owed_in - ahead) < timedelta(seconds=1)
    daemon.stop()


def test_a_lease_that_ran_out_lets_another_in_and_the_first_out(house: House) -> None:
    first, second = Lease(house.app, holder="process 1 on elsewhere"), Lease(house.app, holder="process 2 on elsewhere")
    first.take()
    with pytest.raises(AnotherInstance, match="process 1 on elsewhere"):
        second.take()

    house.now += timedelta(seconds=31)
    second.take()

    with pytest.raises(AnotherInstance, match="process 2 on elsewhere"):
        first.take()
    second.take()


def test_after_a_kill_nobody_waits_for_the_lease(house: House) -> None:
    first, second = Lease(house.app), Lease(house.app, holder="process 2 on elsewhere")
    first.take()
    with house.app.database.write() as session:
        row = session.get_one(LeaseRow, "daemon")
        row.holder = row.holder.replace(row.holder.split()[1], "4194304")  # no process has this number

    second.take()

    assert second.fence == first.fence + 1
