"""Durations, times of day and the organisation's wall clock."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import (
    local_instant,
    read_duration,
    read_time_of_day,
    say_ago,
    say_duration,
    say_moment,
)

LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("1s", timedelta(seconds=1)),
        ("45s", timedelta(seconds=45)),
        ("15m", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("1h30m", timedelta(minutes=90)),
        (" 1h 30m ", timedelta(minutes=90)),
        ("0s", timedelta()),
    ],
)
def test_durations_are_read(text: str, length: timedelta) -> None:
    assert read_duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "soon", "15", "m", "-5m", "1.5h", "5 minutes", "1h and 2m", "٣m", "99999999999d", "9" * 400 + "d"]
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="a duration"):
        read_duration(text)


@given(st.integers(0, 876_600), st.sampled_from("smh"))
def test_every_whole_number_with_a_unit_is_a_duration(number: int, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600}[unit] * number
    assert read_duration(f"{number}{unit}").total_seconds() == seconds


@pytest.mark.parametrize(("text", "at"), [("08:00", time(8)), ("8:00", time(8)), ("23:59", time(23, 59))])
def test_times_of_day_are_read(text: str, at: time) -> None:
    assert read_time_of_day(text) == at


@pytest.mark.parametrize("text", ["", "24:00", "8", "08:60", "8am", "٠٨:٠٠"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a time of day"):
        read_time_of_day(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 seconds"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (3599, "60 minutes"),
        (3600, "1 hour"), (86400, "24 hours"), (3 * 86400, "3 days"),
    ],
)  # fmt: skip
def test_lengths_of_time_are_said_as_people_say_them(seconds: int, words: str) -> None:
    assert say_duration(timedelta(seconds=seconds)) == words


def test_a_moment_is_said_on_the_organisations_wall_clock() -> None:
    summer = datetime(2026, 7, 1, 13, 2, tzinfo=UTC)

    assert say_moment(summer, LONDON, now=summer) == "14:02"
    assert say_moment(summer, LONDON) == "Wed 1 Jul, 14:02"
    assert say_ago(summer, summer + timedelta(minutes=3), LONDON) == "3 minutes ago (14:02)"
    assert say_ago(summer, summer + timedelta(seconds=2), LONDON) == "just now (14:02)"


@pytest.mark.parametrize(
    ("day", "at", "instant"),
    [
        (datetime(2026, 3, 29, 12, tzinfo=UTC), time(1, 30), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        (datetime(2026, 3, 29, 12, tzinfo=UTC), time(8), datetime(2026, 3, 29, 7, tzinfo=UTC)),
        (datetime(2026, 10, 25, 12, tzinfo=UTC), time(1, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 12, tzinfo=UTC), time(8), datetime(2026, 10, 25, 8, tzinfo=UTC)),
    ],
    ids=["skipped by the change", "after the spring change", "shown twice", "after the autumn change"],
)
def test_a_wall_clock_time_is_one_instant_also_when_clocks_change(day: datetime, at: time, instant: datetime) -> None:
    assert local_instant(day, at, LONDON) == instant
