"""Many tips at once: all are kept, few mails leave, and nothing else waits for them."""

from __future__ import annotations

from collections.abc import Callable

from makers import a_mention, an_assessment

from alerts.model import Severity
from monitor import actions
from monitor.settings import People, Person
from monitor.testing import PEOPLE, House

MakeHouse = Callable[..., House]


def tell(house: House, words: str) -> None:
    app = house.app
    app.database.in_transaction(
        lambda s: actions.tip(s, app.desk, app.keys, words=words, link="", by=actions.BY_LINK, now=house.now)
    )


def test_beyond_five_in_ten_minutes_tips_leave_together(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    for n in range(5):
        tell(house, f"I saw something {n}")
        house.fast_forward(seconds=10)
    assert len(house.inbox("ceo")) == 5

    for n in range(60):
        tell(house, f"And again {n}")
    house.fast_forward(minutes=9)

    assert 6 <= len(house.inbox("ceo")) <= 9
    assert "60 incidents at once" in "".join(letter.text for letter in house.inbox("ceo"))


def test_a_flood_of_tips_holds_up_no_alert(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    for n in range(60):
        tell(house, f"I saw something {n}")
    house.fast_forward(seconds=30)
    before = len(house.inbox("ceo"))

    house.say(a_mention("a complaint"), an_assessment(Severity.ALERT))
    house.fast_forward(minutes=1)

    newest = house.inbox("ceo")[before:]
    assert any("at once" not in letter.subject for letter in newest)


def test_without_a_chair_thirty_tips_about_the_ceo_are_few_calls_to_ring_somebody(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.app.take_people(
        People(Person("Rowan Ashdown", PEOPLE["ceo"]), None, Person("Kit Marlow", PEOPLE["operator"]))
    )
    for n in range(30):
        tell(house, f"The CEO hit child number {n}")
    house.fast_forward(minutes=9)

    rung = house.inbox("operator")
    assert 1 <= len(rung) <= 8
    assert "30 incidents" in "".join(letter.subject + letter.text for letter in rung)
    assert all("RING" in letter.subject for letter in rung)
    assert not any("hit child" in letter.text for letter in rung)
    assert house.inbox("ceo") == []
