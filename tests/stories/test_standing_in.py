"""Whoever is asked to ring somebody can say that they have, from the mail alone, and reads no word of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from house_pages import Browser
from makers import a_mention, an_assessment

from alerts.model import Severity
from connectors.model import Level
from monitor import actions, doctor
from monitor.model import Category
from monitor.store.tables import IncidentRow, LogRow
from monitor.testing import PEOPLE, House
from monitor.web import create_app

MakeHouse = Callable[..., House]

NO_CHAIR = {
    "ceo": {"name": "Rowan Ashdown", "email": PEOPLE["ceo"]},
    "operator": {"name": "Kit Marlow", "email": PEOPLE["operator"]},
    "poster": [{"name": "Ade Lowe", "email": PEOPLE["poster"], "platforms": ["x"]}],
}
WORDS = "Rowan Ashdown took the quokkafeather money"
ABOUT_CEO = an_assessment(Severity.CRISIS, Category.STAFF_CONDUCT, spoken_of=("ceo",))


def told_by_somebody(house: House, words: str = WORDS) -> str:
    app = house.app
    row = app.database.in_transaction(
        lambda s: actions.tip(s, app.desk, app.keys, words=words, link="", by=actions.BY_LINK, now=house.now)
    )
    house.tick()
    return row.id


def incident(house: House) -> IncidentRow:
    with house.app.database.read() as session:
        return session.query(IncidentRow).one()


def page_behind(house: House, letter: Any) -> tuple[Browser, Any]:
    """The page of the main link of a mail, in a browser that has not signed in."""
    (link,) = set(re.findall(r"http://127\.0\.0\.1:8080(/a/[\w.~=-]+)", letter.text))
    browser = Browser(SimpleNamespace(app=house.app, flask=create_app(house.app)))  # type: ignore[arg-type]
    return browser, browser.get(link)


def red_places(house: House) -> list[str]:
    return [
        finding.what
        for place in doctor.look(house.app, offline=True)
        for finding in place.findings
        if finding.level is Level.BAD
    ]


def test_a_tip_about_the_ceo_with_no_chair_in_the_settings_tells_the_operator_at_once_who_can_acknowledge(
    make_house: MakeHouse,
) -> None:
    house = make_house(people=NO_CHAIR)
    told_by_somebody(house)

    (asked,) = house.inbox("operator")
    assert house.inbox("ceo") == []
    assert "quokkafeather" not in asked.text
    assert "settings do not name" in asked.text
    assert any("no Chair" in words for words in red_places(house))

    browser, page = page_behind(house, asked)
    assert "quokkafeather" not in page.text
    done = browser.press(page, "acknowledge")

    assert "The reminders stop" in done.text
    row = incident(house)
    assert (row.state, row.acknowledged_by) == ("acknowledged", "Kit Marlow (operator)")
    house.fast_forward(hours=6, step=timedelta(hours=1))
    assert len(house.inbox("operator")) == 1
    assert house.inbox("ceo") == []
    assert any("no Chair" in words for words in red_places(house))


def test_who_was_asked_after_a_quarter_of_an_hour_stops_being_asked_and_the_chair_is_still_reminded(
    make_house: MakeHouse,
) -> None:
    house = make_house()
    house.say(a_mention("a sentence with quokkafeather in it"), ABOUT_CEO)
    house.fast_forward(minutes=16)
    (asked,) = house.inbox("operator")

    browser, page = page_behind(house, asked)
    assert "quokkafeather" not in page.text
    done = browser.press(page, "acknowledge")

    assert "not asked again" in done.text
    assert incident(house).state == "open"
    before = len(house.inbox("chair"))
    house.fast_forward(hours=3, step=timedelta(minutes=30))
    assert len(house.inbox("operator")) == 1
    assert len(house.inbox("chair")) > before
    with house.app.database.read() as session:
        assert ("Kit Marlow (operator)", actions.RUNG) in [(e.who, e.what) for e in session.query(LogRow)]


def test_who_has_rung_is_asked_anew_when_it_gets_worse(make_house: MakeHouse) -> None:
    house = make_house()
    milder = an_assessment(Severity.ALERT, Category.STAFF_CONDUCT, spoken_of=("ceo",))
    house.say(a_mention("first"), milder)
    house.fast_forward(minutes=1)
    row = incident(house)

    def has_rung(session: Any) -> None:
        known = session.get_one(IncidentRow, row.id)
        known.asked_at = known.rung_at = house.now

    house.app.database.in_transaction(has_rung)
    house.say(a_mention("second"), ABOUT_CEO)
    house.fast_forward(minutes=17)

    assert incident(house).severity == int(Severity.CRISIS)
    assert len(house.inbox("operator")) == 1


@pytest.mark.parametrize("about", [("ceo",), ()], ids=["about the CEO", "about nobody"])
def test_who_is_asked_because_mail_reaches_nobody_who_decides_can_say_that_they_ring(
    make_house: MakeHouse, about: tuple[str, ...]
) -> None:
    house = make_house()
    for role in ("ceo", "chair"):
        house.mailer.refuse(PEOPLE[role])
    house.say(a_mention("a sentence"), an_assessment(Severity.CRISIS, Category.STAFF_CONDUCT, spoken_of=about))
    house.fast_forward(minutes=10)
    asked = [letter for letter in house.inbox("operator") if "ring" in letter.subject.lower()]
    assert len(asked) == 1

    browser, page = page_behind(house, asked[0])
    done = browser.press(page, "acknowledge")

    assert "not asked again" in done.text
    assert incident(house).state == "open"
    house.fast_forward(hours=3, step=timedelta(minutes=30))
    assert len([letter for letter in house.inbox("operator") if "ring" in letter.subject.lower()]) == 1


def test_who_was_asked_nothing_acknowledges_nothing(make_house: MakeHouse) -> None:
    house = make_house()
    number = told_by_somebody(house)
    operator = actions.Actor("operator", "Kit Marlow")

    with pytest.raises(actions.NotAllowed, match="Only the CEO or the Chair"):
        house.app.database.in_transaction(lambda s: actions.take_care(s, house.app.desk, number, operator, house.now))
