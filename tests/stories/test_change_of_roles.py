"""Who is spoken of does not learn of it by coming into another role."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from house_pages import form_with
from makers import a_mention, an_assessment
from sqlalchemy import select

from alerts.model import Letter, Severity
from monitor import actions, people, persons, reread
from monitor.app import App
from monitor.links import Purpose
from monitor.model import Category
from monitor.settings import People, Person
from monitor.store.tables import IncidentRow
from monitor.testing import PEOPLE, House
from monitor.web import create_app

MakeHouse = Callable[..., House]
BASE = "http://127.0.0.1:8080"
ROWAN = Person("Rowan Ashdown", PEOPLE["ceo"])
IMOGEN = Person("Imogen Vale", PEOPLE["chair"])
KIT = Person("Kit Marlow", PEOPLE["operator"])
JANE = Person("Jane Doe", "jane@tessellateuk.example")
OLU = Person("Olu Grey", "olu@tessellateuk.example")
OF_ROWAN = "Rowan Ashdown hit my daughter in the office"
OF_IMOGEN = "Imogen Vale hit my daughter in the office"
OF_JANE = "Jane Doe from the shop hit my son at the fair on Sunday"

CASES = {
    "the accused CEO becomes Chair": (OF_ROWAN, People(JANE, ROWAN, KIT), "chair", JANE),
    "and with another mailbox": (OF_ROWAN, People(JANE, replace(ROWAN, email="ra@mail.example"), KIT), "chair", JANE),
    "and with another name": (OF_ROWAN, People(JANE, replace(ROWAN, name="R. Ash"), KIT), "chair", JANE),
    "the accused Chair steps in as CEO": (OF_IMOGEN, People(IMOGEN, OLU, KIT), "ceo", OLU),
    "who is named in a tip becomes CEO": (OF_JANE, People(JANE, IMOGEN, KIT), "ceo", IMOGEN),
    "who is named in a tip becomes operator": (OF_JANE, People(ROWAN, IMOGEN, JANE), "operator", None),
    "CEO and Chair change places": (OF_ROWAN, People(IMOGEN, ROWAN, KIT), "chair", IMOGEN),
}


def tip(house: House, words: str, **more: Any) -> str:
    app = house.app
    return app.database.in_transaction(
        lambda s: actions.tip(s, app.desk, app.keys, words=words, link="", by=actions.BY_LINK, now=house.now, **more).id
    )


def to(house: House, person: Person) -> list[Letter]:
    return [letter for letter in house.mailer.letters if letter.recipient_address == person.email]


def a_link(house: House, role: str, purpose: Purpose, subject: str) -> str:
    app = house.app
    with app.database.read() as session:
        holder = people.holder_of(session, app.keys, role, app.people[role].email)
    return f"/a/{app.links.token(purpose, holder, subject, house.now)}"


def signed_in(house: House, role: str) -> FlaskClient:
    client = create_app(house.app).test_client()
    path = a_link(house, role, Purpose.SIGN_IN, "/")
    form = form_with(client.get(path, base_url=BASE).text, "sign-in")
    answer = client.post(form.action, data={**form.fields, "do": "sign-in"}, base_url=BASE, headers={"Origin": BASE})
    assert answer.status_code == 303
    return client


def see_nothing(house: House, role: str, incident: str, words: str) -> None:
    client = signed_in(house, role)
    for page in ("/", "/incidents", "/mentions", "/audit", f"/mentions.csv?incident={incident}"):
        text = client.get(page, base_url=BASE).text
        assert incident not in text, page
        assert words not in text, page
    assert client.get(f"/incidents/{incident}", base_url=BASE).status_code == 404
    link = client.get(a_link(house, role, Purpose.SEE, incident), base_url=BASE)
    assert words not in link.text


@pytest.mark.parametrize("how", ["settings read anew", "a restart"])
@pytest.mark.parametrize("case", CASES)
def test_who_is_spoken_of_learns_nothing_of_it_in_another_role(make_house: MakeHouse, case: str, how: str) -> None:
    words, after, role, decider = CASES[case]
    house = make_house("facebook")
    persons.begin(house.app)
    incident = tip(house, words)
    accused = getattr(after, role)
    old = a_link(house, "ceo", Purpose.SEE, incident)
    house.tick()
    house.mailer.letters.clear()

    if how == "a restart":
        house.app.settings = replace(house.app.settings, people=after)
        house.app.roster.take(after)
        house.app.naming.take(after.named)
        persons.begin(house.app)
        house.app.dispatcher.free()
    else:
        house.app.take_people(after)
    house.fast_forward(hours=3, step=timedelta(minutes=15))

    assert to(house, accused) == []
    see_nothing(house, role, incident, words)
    assert words not in create_app(house.app).test_client().get(old, base_url=BASE).text
    if decider is not None:
        assert to(house, decider)
        head = "chair" if after.chair == decider else "ceo"
        page = signed_in(house, head).get(f"/incidents/{incident}", base_url=BASE)
        assert words in page.text


def test_what_the_ceo_was_called_by_her_title_stays_hers_and_is_not_the_next_ceos(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    incident = tip(house, "The CEO hit my child")
    house.tick()
    house.mailer.letters.clear()

    house.app.take_people(People(JANE, ROWAN, KIT))
    house.tick()

    assert to(house, ROWAN) == []
    assert to(house, JANE)
    see_nothing(house, "chair", incident, "The CEO hit my child")


def test_what_spoke_of_the_ceo_before_goes_to_the_chair_who_may_hand_it_to_the_next(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    incident = tip(house, OF_ROWAN)
    house.tick()

    house.app.take_people(People(JANE, IMOGEN, KIT))
    see_nothing(house, "ceo", incident, OF_ROWAN)
    app, chair = house.app, actions.Actor("chair", "Imogen Vale")
    app.database.in_transaction(lambda s: actions.give_to_ceo(s, app.desk, incident, chair, house.now))
    house.tick()

    assert to(house, JANE)
    assert OF_ROWAN in signed_in(house, "ceo").get(f"/incidents/{incident}", base_url=BASE).text

    house.app.take_people(People(ROWAN, IMOGEN, KIT))  # and she comes back
    see_nothing(house, "ceo", incident, OF_ROWAN)


def test_without_a_chair_the_next_ceo_decides_about_the_one_before(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.app.take_people(People(ROWAN, None, KIT))
    incident = tip(house, OF_ROWAN)
    house.tick()
    house.mailer.letters.clear()

    house.app.take_people(People(JANE, None, KIT))
    house.tick()

    assert to(house, JANE)
    assert OF_ROWAN in signed_in(house, "ceo").get(f"/incidents/{incident}", base_url=BASE).text


def test_a_post_that_names_somebody_is_compared_again_when_they_come_into_a_role(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    words = "Jane Doe hit my son at the fair on Sunday"
    house.say(a_mention(words), an_assessment(Severity.CRISIS, Category.STAFF_CONDUCT))
    house.fast_forward(minutes=1)
    house.mailer.letters.clear()

    house.app.take_people(People(JANE, IMOGEN, KIT))
    house.fast_forward(minutes=30)

    assert to(house, JANE) == []
    assert to(house, IMOGEN)
    with house.app.database.read() as session:
        incident = session.scalars(select(IncidentRow.id)).one()
    see_nothing(house, "ceo", incident, words)


def test_an_ordinary_matter_is_not_told_again_when_people_change(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    incident = tip(house, "There was a fight at the fair on Sunday")
    house.tick()
    app, ceo = house.app, actions.Actor("ceo", "Rowan Ashdown")
    app.database.in_transaction(lambda s: actions.acknowledge(s, incident, ceo, house.now))
    house.mailer.letters.clear()

    app.take_people(People(JANE, ROWAN, KIT))
    house.fast_forward(minutes=30)

    assert house.mailer.letters == []
    assert signed_in(house, "ceo").get(f"/incidents/{incident}", base_url=BASE).status_code == 200


def test_who_is_operator_by_the_ceos_mailbox_is_told_nothing_about_the_ceo(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.app.take_people(People(ROWAN, IMOGEN, replace(KIT, email="Rowan+it@tessellateuk.example")))
    house.mailer.refuse(IMOGEN.email)
    tip(house, "The CEO hit my child")
    house.say(a_mention("She did"), an_assessment(Severity.CRISIS, Category.STAFF_CONDUCT, spoken_of=("ceo",)))

    house.fast_forward(hours=1, step=timedelta(minutes=10))

    letters = [one for one in house.mailer.letters if one.recipient_address != IMOGEN.email]
    assert [one.subject for one in letters if "RING" in one.subject or "ALERT" in one.subject] == []
    with house.app.database.read() as session:
        assert {tuple(sorted(row.spoken_of)) for row in session.scalars(select(IncidentRow))} == {("ceo", "operator")}


def test_the_daemon_that_reads_the_settings_anew_hides_it_too(make_house: MakeHouse, tmp_path: Path) -> None:
    house = make_house("facebook")
    incident = tip(house, OF_ROWAN)
    house.tick()
    app: App = house.app
    fresh = replace(app.settings, people=People(JANE, ROWAN, KIT))

    reread.Reader(app)._take(fresh)
    house.mailer.letters.clear()
    house.fast_forward(hours=1, step=timedelta(minutes=10))

    assert to(house, ROWAN) == []
    see_nothing(house, "chair", incident, OF_ROWAN)
