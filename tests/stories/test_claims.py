"""A claim does not outlive its sender: what a broken database or a lost sender held up leaves as soon as it can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from makers import a_mention, an_assessment
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from alerts.model import Letter, Severity
from monitor.model import Category
from monitor.reaching import Reach
from monitor.store.tables import AlertRow
from monitor.testing import House

MakeHouse = Callable[..., House]
CRISIS = an_assessment(Severity.CRISIS, Category.THREAT)
AWAY = OperationalError("select 1", {}, Exception("the database is away"))


@contextmanager
def _away(house: House, *ways: str) -> Iterator[None]:
    """Let nothing be read from, or written to, the database."""

    def refuse(*_: object, **__: object) -> Any:
        raise AWAY

    database = house.app.database
    for way in ways:
        setattr(database, way, refuse)
    try:
        yield
    finally:
        for way in ways:
            delattr(database, way)


def _waits_for(house: House) -> None:
    """A crisis that is heard and owed, and not sent yet."""
    house.say(a_mention("a grave matter"), CRISIS)
    house.now += timedelta(seconds=30)
    house.app.poller.poll(house.app.stations["facebook"])


def _row(house: House) -> AlertRow:
    with house.app.database.read() as session:
        return session.scalars(select(AlertRow).where(AlertRow.template == "alert")).one()


def test_a_letter_that_left_while_the_database_went_away_is_marked_when_it_is_back_and_leaves_once(
    make_house: MakeHouse,
) -> None:
    house = make_house("facebook")
    _waits_for(house)
    taken, broken = house.mailer.__call__, _away(house, "in_transaction", "read")

    def take(letter: Letter) -> None:
        taken(letter)
        broken.__enter__()

    house.mailer = take  # type: ignore[assignment]
    with pytest.raises(OperationalError):
        house.app.dispatcher.deliver_next()
    broken.__exit__(None, None, None)

    assert house.app.dispatcher.is_due()
    house.now += timedelta(seconds=10)
    house.tick()
    assert (_row(house).delivered_at, _row(house).attempts) == (house.now, 1)


def test_a_letter_that_could_not_be_read_counts_as_no_try_and_leaves_when_the_database_is_back(
    make_house: MakeHouse,
) -> None:
    house = make_house("facebook")
    _waits_for(house)
    with _away(house, "read"):
        house.app.dispatcher.deliver_next()
    assert (_row(house).claimed, _row(house).attempts, _row(house).outcome) == (False, 0, "")

    house.now += timedelta(seconds=10)
    house.tick()

    assert len(house.inbox("ceo")) == 1
    assert house.inbox("chair") == []


def test_a_claim_that_nobody_holds_falls_due_at_the_next_look(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    _waits_for(house)
    with house.app.database.write() as session:
        session.execute(update(AlertRow).values(claimed=True, retry_at=house.now + timedelta(minutes=12)))

    house.now += timedelta(seconds=5)
    house.tick()

    assert len(house.inbox("ceo")) == 1
    assert _row(house).unclear


def test_a_fault_in_what_follows_a_delivery_sends_no_letter_twice_and_stops_no_other(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house("facebook")

    def broken(*_: object) -> None:
        raise IntegrityError("insert", {}, Exception("something does not fit"))

    monkeypatch.setattr(Reach, "taken", broken)
    _waits_for(house)
    house.say(a_mention("a wholly different matter that nobody had heard of before"), CRISIS)
    house.fast_forward(minutes=10)

    assert len(house.inbox("ceo")) == 2
