"""What one person does and undoes again and again is mailed once an hour, and how it stands in the end is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from alerts.takeover import State
from monitor import reaching, takeovers
from monitor.testing import House

MakeHouse = Callable[..., House]
CEO = "Rowan Ashdown (CEO)"
CHAIR = "Imogen Vale (Chair of trustees)"


def act(house: House, verb: Callable[..., Any], **given: Any) -> None:
    app = house.app
    house.now += timedelta(seconds=5)
    app.database.in_transaction(lambda s: verb(s, app.desk, now=house.now, **{"by": CEO, **given}))
    house.tick()


def begin(house: House, **given: Any) -> None:
    act(house, takeovers.begin, reason="A leak", **given)


def end(house: House, **given: Any) -> None:
    act(house, takeovers.end, reason="A mistake", **given)


def state(house: House) -> State:
    with house.app.database.read() as session:
        return takeovers.current(session).state


def test_begun_and_undone_again_and_again_is_told_once_each(make_house: MakeHouse) -> None:
    house = make_house()
    for _ in range(10):
        begin(house)
        end(house)
    house.fast_forward(hours=2, step=timedelta(minutes=20))

    assert len(house.inbox("poster")) == 2
    assert len(house.inbox("chair")) == 3  # begun, ended, the report
    assert state(house) is State.NORMAL


def test_a_takeover_begun_anew_that_stands_is_told_within_two_minutes(make_house: MakeHouse) -> None:
    house = make_house()
    for _ in range(4):
        begin(house)
        end(house)
    before = {role: len(house.inbox(role)) for role in ("poster", "ceo", "chair")}
    begin(house)
    house.fast_forward(minutes=2)

    assert {role: len(house.inbox(role)) - before[role] for role in before} == {"poster": 1, "ceo": 1, "chair": 1}
    assert "takeover" in house.inbox("poster")[-1].subject.lower()


def test_the_end_of_a_takeover_that_was_told_is_told_within_the_hour(make_house: MakeHouse) -> None:
    house = make_house()
    begin(house)
    end(house)
    begin(house)
    house.fast_forward(minutes=2)
    told = house.inbox("poster")[-1]
    end(house)
    assert house.inbox("poster")[-1] is told

    house.fast_forward(hours=1, step=timedelta(minutes=10))

    assert house.inbox("poster")[-1] is not told
    assert len(house.inbox("poster")) == 4


def test_somebody_else_who_ends_it_is_told_at_once(make_house: MakeHouse) -> None:
    house = make_house()
    begin(house)
    end(house)
    begin(house)
    house.fast_forward(minutes=2)
    before = len(house.inbox("poster"))

    end(house, by=CHAIR, role="chair")

    assert len(house.inbox("poster")) == before + 1


def test_handed_over_and_taken_back_is_told_once_and_then_who_holds_it(make_house: MakeHouse) -> None:
    house = make_house()
    begin(house)
    before = len(house.inbox("chair"))
    for to in ("chair", "ceo", "chair", "ceo", "chair", "ceo"):
        act(house, takeovers.hand_over, to=to)
    assert len(house.inbox("chair")) == before + 1

    house.fast_forward(hours=2, step=timedelta(minutes=20))

    assert len(house.inbox("chair")) == before + 2
    assert "Rowan Ashdown" in house.inbox("chair")[-1].text


def test_allowed_and_withdrawn_is_told_once_and_then_how_it_stands(make_house: MakeHouse) -> None:
    house = make_house()
    begin(house)
    before = len(house.inbox("poster"))
    for platforms in (("x",), (), ("x",), (), ("x",)):
        act(house, takeovers.allow, names=("Ade Lowe",) if platforms else (), platforms=platforms)
    house.fast_forward(hours=2, step=timedelta(minutes=20))
    assert len(house.inbox("poster")) == before + 3  # that they may, may not, and after an hour how it stands
    assert "You may post on X" in house.inbox("poster")[-1].subject

    act(house, takeovers.allow, names=(), platforms=())
    house.fast_forward(hours=2, step=timedelta(minutes=20))
    assert len(house.inbox("poster")) == before + 4


def test_what_is_still_to_be_told_in_its_time_is_no_late_mail(make_house: MakeHouse) -> None:
    house = make_house()
    begin(house)
    act(house, takeovers.hand_over, to="chair")
    act(house, takeovers.hand_over, to="ceo")
    house.fast_forward(minutes=30, step=timedelta(minutes=10))

    with house.app.database.read() as session:
        assert reaching.problems(session, house.app.desk, house.now) == []
