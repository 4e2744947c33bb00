"""Allowances: no crash can overspend, and no bucket runs dry before its period ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from connectors.model import Bucket, Period, PollPlan
from monitor import ledger
from monitor.store import migrate
from monitor.store.database import Database

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
CALLS = Bucket("calls", "calls", 100, Period.UTC_DAY, reserve=10, per_poll=2, recheck_share=0.2)


def _plan(*buckets: Bucket) -> PollPlan:
    return PollPlan(timedelta(seconds=30), timedelta(seconds=15), buckets)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    database = Database(f"sqlite:///{tmp_path / 'e.db'}")
    migrate.upgrade(database)
    with database.write() as session:
        yield session
    database.close()


def test_a_reservation_that_is_never_settled_stays_spent(session: Session) -> None:
    ledger.reserve(session, "x", _plan(CALLS), NOW)

    assert ledger.left(session, "x", (CALLS,), NOW) == {"calls": 90}


def test_what_a_call_did_not_use_is_put_back(session: Session) -> None:
    reserved = ledger.reserve(session, "x", _plan(CALLS), NOW)
    ledger.settle(session, "x", _plan(CALLS), NOW, reserved, {"calls": 3})

    assert ledger.left(session, "x", (CALLS,), NOW) == {"calls": 97}


def test_a_call_settled_after_midnight_is_settled_in_the_day_that_paid_for_it(session: Session) -> None:
    before = datetime(2026, 11, 24, 23, 59, tzinfo=UTC)
    reserved = ledger.reserve(session, "x", _plan(CALLS), before)
    ledger.settle(session, "x", _plan(CALLS), before, reserved, {"calls": 1})

    assert ledger.left(session, "x", (CALLS,), before) == {"calls": 99}
    assert ledger.left(session, "x", (CALLS,), before + timedelta(minutes=2)) == {"calls": 100}


def test_the_last_reservation_takes_no_more_than_is_left(session: Session) -> None:
    taken = [ledger.reserve(session, "x", _plan(CALLS), NOW)["calls"] for _ in range(12)]

    assert taken == [10] * 10 + [0, 0]


def test_rechecks_never_take_more_than_their_share(session: Session) -> None:
    taken = [ledger.reserve(session, "x", _plan(CALLS), NOW, recheck=True)["calls"] for _ in range(4)]

    assert taken == [10, 10, 0, 0]
    assert ledger.rechecks_left(session, "x", CALLS, NOW) == 0
    assert ledger.left(session, "x", (CALLS,), NOW) == {"calls": 80}


def test_a_bucket_without_a_share_pays_for_no_recheck(session: Session) -> None:
    bare = Bucket("calls", "calls", 100, Period.UTC_DAY, reserve=10)

    assert ledger.reserve(session, "x", _plan(bare), NOW, recheck=True) == {"calls": 0}


def test_a_look_at_the_set_up_takes_what_it_may_spend_and_no_more(session: Session) -> None:
    small = Bucket("calls", "calls", 100, Period.UTC_DAY, reserve=50, per_look=2)

    assert ledger.reserve_look(session, "x", _plan(small), NOW) == {"calls": 2}
    assert ledger.left(session, "x", (small,), NOW) == {"calls": 98}
    assert ledger.reserve_look(session, "y", _plan(CALLS), NOW) == {"calls": 10}


@given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), max_size=40))
def test_whatever_is_spent_and_whatever_crashes_the_bucket_is_never_overspent(calls: list[tuple[int, bool]]) -> None:
    with create_engine("sqlite://").connect() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE spending (platform, bucket, period, spent INTEGER, rechecks INTEGER, "
            "PRIMARY KEY (platform, bucket, period))"
        )
        session = Session(connection)
        really = 0
        for wanted, crashes in calls:
            reserved = ledger.reserve(session, "x", _plan(CALLS), NOW)
            used = min(wanted, reserved["calls"])
            really += used
            if not crashes:
                ledger.settle(session, "x", _plan(CALLS), NOW, reserved, {"calls": used})
        assert really <= CALLS.amount
        assert really <= CALLS.amount - ledger.left(session, "x", (CALLS,), NOW)["calls"]
        session.close()


@pytest.mark.parametrize(
    ("period", "now", "key", "end"),
    [
        (Period.UTC_DAY, "2026-11-24T23:59:59+00:00", "2026-11-24", "2026-11-25T00:00:00+00:00"),
        (Period.PACIFIC_DAY, "2026-11-24T07:59:00+00:00", "2026-11-23", "2026-11-24T08:00:00+00:00"),
        (Period.PACIFIC_DAY, "2026-07-01T07:01:00+00:00", "2026-07-01", "2026-07-02T07:00:00+00:00"),
        (Period.PACIFIC_DAY, "2026-03-08T12:00:00+00:00", "2026-03-08", "2026-03-09T07:00:00+00:00"),
        (Period.PACIFIC_DAY, "2026-11-01T08:00:00+00:00", "2026-11-01", "2026-11-02T08:00:00+00:00"),
        (Period.MONTH, "2026-02-28T23:59:59+00:00", "2026-02", "2026-03-01T00:00:00+00:00"),
        (Period.MONTH, "2028-02-29T12:00:00+00:00", "2028-02", "2028-03-01T00:00:00+00:00"),
        (Period.MONTH, "2026-12-31T23:00:00+00:00", "2026-12", "2027-01-01T00:00:00+00:00"),
        (Period.MONTH, "2026-01-31T00:00:00+00:00", "2026-01", "2026-02-01T00:00:00+00:00"),
    ],
)
def test_periods_end_when_the_platform_says_so(period: Period, now: str, key: str, end: str) -> None:
    moment = datetime.fromisoformat(now)

    assert ledger.period_key(period, moment) == key
    assert ledger.period_end(period, moment) == datetime.fromisoformat(end)


@given(
    st.sampled_from(list(Period)),
    st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2036, 1, 1)),  # noqa: DTZ001
)
def test_the_end_of_a_period_is_the_first_instant_of_the_next(period: Period, naive: datetime) -> None:
    now = naive.replace(tzinfo=UTC)
    end = ledger.period_end(period, now)

    assert end > now
    assert ledger.period_key(period, end) != ledger.period_key(period, now)
    assert ledger.period_key(period, end - timedelta(seconds=1)) == ledger.period_key(period, now)


def test_polling_is_slowed_down_so_that_the_bucket_lasts_to_the_end_of_its_period() -> None:
    interval = ledger.pace(_plan(CALLS), {"calls": 20}, NOW, timedelta(seconds=30))

    assert interval == timedelta(hours=1)  # ten hours are left, and ten polls


@given(st.integers(0, 100), st.integers(0, 86_399))
def test_at_that_pace_the_bucket_never_runs_dry(left: int, second: int) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC) + timedelta(seconds=second)
    interval = ledger.pace(_plan(CALLS), {"calls": left}, now, timedelta(seconds=30))
    until = ledger.period_end(Period.UTC_DAY, now) - now

    assert interval >= timedelta(seconds=30) or left < CALLS.per_poll
    assert int(until / interval) * CALLS.per_poll <= left or left < CALLS.per_poll


@pytest.mark.parametrize(("left", "exhausted"), [(2, False), (1, True), (0, True)])
def test_a_bucket_that_cannot_pay_for_one_poll_is_exhausted(left: int, exhausted: bool) -> None:
    assert ledger.is_exhausted(_plan(CALLS), {"calls": left}) is exhausted


def test_a_bucket_that_ordinary_polls_do_not_touch_never_stops_them() -> None:
    searches = Bucket("searches", "searches", 100, Period.PACIFIC_DAY, reserve=1, per_poll=0)

    assert not ledger.is_exhausted(_plan(searches), {"searches": 0})
    assert ledger.pace(_plan(searches), {"searches": 0}, NOW, timedelta(seconds=30)) == timedelta(seconds=30)
