"""Rising volume and falling mood: silent on quiet days at every volume, and loud when it matters."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.trends import mood_falls, poisson_tail, rise

HOURS = 24 * 90
BASELINE = 24 * 14
FLOOR = 12


def _drawn(dice: random.Random, mean: float) -> int:
    """A Poisson count; for large means by the normal law."""
    if mean > 500:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), dice.random(), 0
    while product > limit:
        product *= dice.random()
        count += 1
    return count


def _even(_hour: int) -> float:
    return 1.0


def _as_people_live(hour: int) -> float:
    """Next to nothing at night, much in the evening, less on Sundays; 1 on average."""
    of_day = max(0.05, 1 - math.cos((hour % 24 - 4) / 24 * 2 * math.pi))
    return of_day * (0.6 if hour // 24 % 7 == 6 else 1.067)


@pytest.mark.parametrize("rhythm", [_even, _as_people_live])
@pytest.mark.parametrize("a_day", [5, 500, 50_000])
def test_ninety_quiet_days_raise_no_alarm(a_day: int, rhythm: Callable[[int], float]) -> None:
    alarms = []
    for seed in range(20):
        dice = random.Random(f"{a_day}:{seed}")
        past: list[int] = []
        for hour in range(HOURS):
            count = _drawn(dice, a_day / 24 * rhythm(hour))
            window = past[-BASELINE:]
            # looked at only where it could be one: the rule itself asks for three times the mean
            if len(window) >= 72 and count >= FLOOR and count * len(window) >= 2.9 * sum(window):
                alarms.append(rise(count, window, floor=FLOOR))
            past.append(count)
    assert [found for found in alarms if found is not None] == []


@pytest.mark.parametrize(
    ("count", "a_day"), [(12, 5), (20, 24), (60, 240), (900, 2_400), (10_000, 50_000)],
)  # fmt: skip
def test_a_real_rise_is_found_at_every_volume(count: int, a_day: int) -> None:
    dice = random.Random(a_day)
    past = [_drawn(dice, a_day / 24) for _ in range(BASELINE)]

    found = rise(count, past, floor=FLOOR)

    assert found is not None
    assert found.usual == pytest.approx(max(a_day / 24, 1 / 24), rel=0.5)


@pytest.mark.parametrize(
    ("count", "past"),
    [(11, [0] * 300), (12, []), (2_400, [2_083] * 300), (60, [0] * 200 + [70] * 8 + [0] * 92)],
    ids=["below the floor", "nothing known", "certain but small", "no more than what has been"],
)
def test_what_is_no_rise(count: int, past: list[int]) -> None:
    assert rise(count, past, floor=FLOOR) is None


@given(st.integers(0, 2000), st.floats(0.01, 5000))
def test_a_chance_is_a_chance_and_falls_with_the_count(count: int, mean: float) -> None:
    assert 0 <= poisson_tail(count + 1, mean) <= poisson_tail(count, mean) + 1e-9 <= 1 + 1e-9


@pytest.mark.parametrize(
    ("count", "mean", "chance"), [(0, 3.0, 1.0), (1, 1.0, 0.6321), (3, 1.0, 0.0803), (12, 5.0, 0.0055), (30, 20.0, 0.0218)]
)  # fmt: skip
def test_known_chances(count: int, mean: float, chance: float) -> None:
    assert poisson_tail(count, mean) == pytest.approx(chance, abs=5e-4)


def test_the_exact_sum_and_the_normal_law_meet() -> None:
    assert poisson_tail(780, 700) == pytest.approx(poisson_tail(780, 700.001), rel=0.3)


@pytest.mark.parametrize(
    ("recent", "usual", "falls"),
    [
        ([-0.6] * 20, [0.4, 0.2, 0.3, 0.1] * 10, True),
        ([-0.6] * 19, [0.4, 0.2, 0.3, 0.1] * 10, False),
        ([0.1] * 40, [0.4, 0.2, 0.3, 0.1] * 10, False),
        ([-0.9, 0.9] * 10, [0.5, 0.3] * 20, False),
        ([0.9] * 20, [-0.6] * 40, False),
        ([-0.6] * 20, [0.4] * 5, False),
    ],
    ids=["a clear fall", "too few posts", "a small fall", "mixed feelings", "a rise", "nothing known"],
)
def test_a_mood_falls_only_clearly_and_over_enough_posts(recent: list[float], usual: list[float], falls: bool) -> None:
    assert mood_falls(recent, usual) is falls


@pytest.mark.parametrize("a_day", [5, 50_000])
def test_twenty_moods_drawn_from_the_usual_fall_for_nobody(a_day: int) -> None:
    dice = random.Random(a_day)
    for _ in range(400):
        usual = [dice.uniform(-1, 1) for _ in range(min(a_day * 14, 2_000))]
        assert not mood_falls([dice.uniform(-1, 1) for _ in range(60)], usual)


def test_a_window_is_one_hour() -> None:
    from monitor.trends import WINDOW

    assert timedelta(hours=1) == WINDOW
