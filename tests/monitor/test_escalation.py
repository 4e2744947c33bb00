"""The chain of alerts, as sums: who is told what, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.model import Severity
from monitor.escalation import (
    GROWTH_STEPS,
    ChainPolicy,
    ChainStep,
    Step,
    chain_step,
    decide,
    is_night,
    may_be_closed_by_link,
    next_growth_step,
)
from monitor.model import Category, Incident, IncidentState

DAY = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
POLICY = ChainPolicy(
    timedelta(minutes=15), timedelta(minutes=30), timedelta(minutes=60), timedelta(hours=2), time(22), time(7),
    ZoneInfo("Europe/London"),
)  # fmt: skip
OPEN = Incident(
    "i1", Category.COMPLAINT, Severity.ALERT, IncidentState.OPEN, DAY, DAY, platforms=("x",), threads=("x:1",),
    copies=("m1",), told=1,
)  # fmt: skip


def _step(
    number: int, severity: Severity, now: datetime = DAY, **changes: bool | datetime | tuple[str, ...]
) -> ChainStep:
    values = {"opened_at": now, "ceo_away": False, "heads": ("ceo", "chair"), **changes}
    return chain_step(number, severity, now=now, policy=POLICY, **values)  # type: ignore[arg-type]


def _told(step: ChainStep) -> dict[str, bool]:
    return {owed.role: owed.phones for owed in step.owed}


@pytest.mark.parametrize(
    ("severity", "at", "told", "waits"),
    [
        (Severity.CRISIS, DAY, {"ceo": True}, timedelta(minutes=15)),
        (Severity.CRISIS, NIGHT, {"ceo": True}, timedelta(minutes=15)),
        (Severity.ALERT, DAY, {"ceo": True}, timedelta(minutes=60)),
        (Severity.ALERT, NIGHT, {"ceo": False}, timedelta(hours=7, minutes=30)),
        (Severity.ALERT, DAY + timedelta(hours=7, minutes=30), {"ceo": True}, timedelta(hours=9, minutes=30)),
    ],
    ids=["crisis by day", "crisis by night", "alert by day", "alert by night", "alert before the night"],
)
def test_the_ceo_is_told_first_and_the_night_holds_back_only_what_can_wait(
    severity: Severity, at: datetime, told: dict[str, bool], waits: timedelta
) -> None:
    step = _step(0, severity, at)

    assert _told(step) == told
    assert step.next_at == at + waits


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("severity", [Severity.ALERT, Severity.CRISIS])
@pytest.mark.parametrize("left", ["ceo", "chair", "operator"])
def test_where_only_one_is_left_who_may_be_told_no_step_tells_anybody_else(
    number: int, severity: Severity, left: str
) -> None:
    for away in (False, True):
        assert set(_told(_step(number, severity, heads=(left,), ceo_away=away))) == {left}


@pytest.mark.parametrize("again", [timedelta(minutes=1), timedelta(hours=1)])
def test_a_crisis_that_the_chair_alone_may_know_of_reaches_the_next_person_within_fifteen_minutes(
    again: timedelta,
) -> None:
    policy = replace(POLICY, crisis_again=again)
    steps = [
        chain_step(
            number, Severity.CRISIS, opened_at=DAY, now=DAY, ceo_away=False, heads=("chair",), policy=policy,
            reserve="operator",
        )
        for number in range(4)
    ]  # fmt: skip

    assert _told(steps[0]) == {"chair": True}
    assert steps[0].next_at == DAY + min(again, timedelta(minutes=15))
    assert all(_told(step) == {"chair": True, "operator": True} for step in steps[1:])


def test_an_alert_that_the_chair_alone_may_know_of_stays_with_the_chair() -> None:
    for number in range(4):
        step = chain_step(
            number, Severity.ALERT, opened_at=DAY, now=DAY, ceo_away=False, heads=("chair",), policy=POLICY,
            reserve="operator",
        )  # fmt: skip
        assert _told(step) == {"chair": True}


@pytest.mark.parametrize("severity", [Severity.ALERT, Severity.CRISIS])
def test_while_the_ceo_is_away_the_chair_is_told_at_once_and_the_ceo_by_mail_only(severity: Severity) -> None:
    assert _told(_step(0, severity, ceo_away=True)) == {"chair": True, "ceo": False}


def test_an_incident_of_which_nobody_may_be_told_keeps_its_place_in_the_chain() -> None:
    step = _step(0, Severity.CRISIS, heads=())

    assert _told(step) == {}
    assert step.next_at == DAY + timedelta(minutes=15)


def test_a_crisis_nobody_answers_comes_again_at_fifteen_to_the_chair_at_thirty_then_hourly_for_a_day() -> None:
    moments, now = [], DAY
    for number in range(60):
        step = _step(number, Severity.CRISIS, now, opened_at=DAY)
        moments.append((now - DAY, set(_told(step))))
        if step.next_at is None:
            break
        now = step.next_at

    assert moments[:3] == [
        (timedelta(), {"ceo"}),
        (timedelta(minutes=15), {"ceo"}),
        (timedelta(minutes=30), {"ceo", "chair"}),
    ]
    assert all(told == {"ceo", "chair"} for _, told in moments[2:])
    assert timedelta(hours=24) <= moments[-1][0] <= timedelta(hours=26)


def test_an_alert_nobody_answers_ends_with_the_chair_after_two_hours() -> None:
    second = _step(1, Severity.ALERT, DAY + timedelta(hours=1), opened_at=DAY)
    third = _step(2, Severity.ALERT, DAY + timedelta(hours=2), opened_at=DAY)

    assert second.next_at == DAY + timedelta(hours=2)
    assert (_told(third), third.next_at) == ({"chair": True}, None)


@given(
    st.integers(0, 2), st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
)  # fmt: skip
def test_the_next_step_of_an_alert_never_falls_into_the_night_and_never_into_the_past(
    number: int, naive: datetime
) -> None:
    now = naive.replace(tzinfo=UTC)
    step = _step(number, Severity.ALERT, now)

    if step.next_at is not None:
        assert step.next_at >= now
        assert not is_night(step.next_at, POLICY)
        assert step.next_at - now <= timedelta(hours=12)


def test_a_night_within_one_day_and_none_at_all() -> None:
    noon = replace(POLICY, night_from=time(12), night_until=time(13))
    never = replace(POLICY, night_from=time(0), night_until=time(0))

    assert is_night(DAY - timedelta(hours=2), noon)
    assert not is_night(DAY, noon)
    assert not is_night(NIGHT, never)


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [
        (None, OPEN, (Step.TELL,)),
        (None, replace(OPEN, severity=Severity.CRISIS), (Step.TELL, Step.PROPOSE_TAKEOVER)),
        (None, replace(OPEN, history=True), ()),
        (OPEN, replace(OPEN, severity=Severity.CRISIS), (Step.TELL, Step.PROPOSE_TAKEOVER)),
        (OPEN, replace(OPEN, mentions=2), ()),
        (OPEN, replace(OPEN, mentions=5), (Step.UPDATE,)),
        (replace(OPEN, told=5), replace(OPEN, told=5, mentions=19), ()),
        (OPEN, replace(OPEN, spoken_of=("ceo",), mentions=2), (Step.TELL,)),
        (OPEN, replace(OPEN, perhaps_of=("ceo",), mentions=2), (Step.TELL,)),
        (replace(OPEN, perhaps_of=("ceo",)), replace(OPEN, spoken_of=("ceo",), mentions=2), ()),
        (replace(OPEN, spoken_of=("ceo",)), replace(OPEN, spoken_of=("ceo", "chair"), mentions=2), (Step.TELL,)),
    ],
    ids=[
        "new alert", "new crisis", "history", "raised", "grown a little", "grown by a step", "between steps",
        "now speaks of the CEO", "now perhaps speaks of the CEO", "perhaps spoke of the CEO before",
        "now speaks of the Chair too",
    ],
)  # fmt: skip
def test_what_is_owed_when_an_incident_changes(
    before: Incident | None, after: Incident, steps: tuple[Step, ...]
) -> None:
    assert decide(before, after) == steps


@pytest.mark.parametrize("known", [1, 39, 40])
def test_a_new_crisis_elsewhere_is_told_however_many_threads_are_remembered(known: int) -> None:
    crisis = replace(OPEN, severity=Severity.CRISIS, told=50, mentions=50)
    threads = tuple(f"x:{n}" for n in range(known))
    before = replace(crisis, threads=threads, copies=("a",))
    after = replace(crisis, threads=(*threads, "x:new")[-40:], copies=("a", "b"), mentions=51)

    assert decide(before, after) == (Step.UPDATE,)


@given(st.integers(0, 10**7))
def test_growth_is_told_at_steps_that_lie_further_and_further_apart(told: int) -> None:
    assert next_growth_step(told) > told or told == 0
    assert next_growth_step(told) in GROWTH_STEPS or next_growth_step(told) == told * 5


@pytest.mark.parametrize(
    ("category", "severity", "closes"),
    [
        (Category.COMPLAINT, Severity.ALERT, True),
        (Category.COMPLAINT, Severity.CRISIS, False),
        (Category.SAFEGUARDING, Severity.ALERT, False),
        (Category.SELF_HARM, Severity.ALERT, False),
        (None, Severity.ALERT, True),
    ],
)
def test_a_link_in_a_mail_closes_an_alert_and_nothing_graver(
    category: Category | None, severity: Severity, closes: bool
) -> None:
    assert may_be_closed_by_link(replace(OPEN, category=category, severity=severity)) is closes
