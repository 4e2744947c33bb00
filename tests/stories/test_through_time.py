"""A mail server that says no for 1, 5 and 30 hours, in every usual way, to one person and to everybody: nobody who should
be told is left out, the operator hears of it, health tells the truth, and after mending everything leaves (issue bar).

The letters go through the real mailer to a strict mail server on this machine; only the clock is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import product

import pytest
from makers import a_mention, an_assessment
from postgres import LONG
from sqlalchemy import select

from alerts import mailer
from alerts.mailbox import Kept, Mailbox
from alerts.model import MailKind, Severity
from monitor import ping, reaching
from monitor.model import Category
from monitor.outbox import is_owed
from monitor.store.tables import AlertRow, PersonRow
from monitor.testing import PEOPLE, House
from monitor.web.house import House as PagesHouse
from monitor.web.publishing import health_json

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

MakeHouse = Callable[..., House]
GRAVE = {
    "alert": an_assessment(Severity.ALERT, Category.COMPLAINT),
    "crisis": an_assessment(Severity.CRISIS, Category.THREAT),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """How a mail server says no to everybody, and to the letters of one person: a verb and the reply to it."""

    to_all: tuple[str, str]
    to_one: tuple[str, str]


def _same(verb: str, reply: str) -> Fault:
    return Fault((verb, reply), (verb, reply))


FAULTS = {
    "dead address": _same("RCPT", "550 5.1.1 user unknown"),
    "full mailbox": _same("RCPT", "552 5.2.2 mailbox full"),
    "policy": _same("RCPT", "550 5.7.1 not by our policy"),
    "sign-in": Fault(("AUTH", "535 5.7.8 not these credentials"), ("RCPT", "530 5.7.0 authentication required")),
    "day's limit": Fault(("MAIL", "550 5.4.5 daily sending limit"), ("RCPT", "550 5.4.5 daily limit")),
    "spam verdict": _same(".", "554 5.7.1 looks like spam"),
    "greylisting": _same("RCPT", "451 4.7.1 greylisted, come again"),
}

MOMENTS = {1: (1, 6, 31, 60), 5: (150, 300), 30: (1020, 1800)}
"""Minutes after the first poll at which there is a round, by the hours that they lead to."""

TABLE = list(product(FAULTS, GRAVE, ("everybody", "the CEO alone"), MOMENTS))
CHOSEN = TABLE if LONG else [case for number, case in enumerate(TABLE) if number % 3 == number // 3 % 3]
"""All of it in the long form; otherwise each fault, severity and person with one of the three lengths, in turn."""


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox(users={"earshot": "a word"}) as box:
        yield box
        assert box.violations == []


@pytest.fixture
def house(make_house: MakeHouse, box: Mailbox) -> House:
    people = {
        role: {"name": name, "email": PEOPLE[role], "phones": [f"json://127.0.0.1:9/{role}"]}
        for role, name in (("ceo", "Rowan Ashdown"), ("chair", "Imogen Vale"), ("operator", "Kit Marlow"))
    }
    mail = {
        "host": "127.0.0.1", "port": box.port, "security": "none", "from": "earshot@tessellateuk.example",
        "username": "earshot", "password": "a word",
    }  # fmt: skip
    house = make_house("facebook", people=people, mail=mail)
    house.mailer = partial(mailer.deliver, house.app.settings.mail)  # type: ignore[assignment]
    return house


@pytest.mark.parametrize(("fault", "grave", "who", "hours"), CHOSEN)
def test_through_hours_of_refusals_nobody_is_left_out_and_everything_leaves_afterwards(
    house: House, box: Mailbox, fault: str, grave: str, who: str, hours: int
) -> None:
    verb, reply = FAULTS[fault].to_all if who == "everybody" else FAULTS[fault].to_one
    box.answer(verb, reply, to="" if who == "everybody" else PEOPLE["ceo"])
    house.say(a_mention("a grave matter"), GRAVE[grave])
    house.fast_forward(seconds=30)
    began = house.now
    _live(house, began, MOMENTS[1][:1])
    if who != "everybody":  # a final refusal counts at once
        assert len(_about(box, "chair")) == (0 if fault == "greylisting" else 1)
    _live(house, began, [minutes for upto, moments in MOMENTS.items() if upto <= hours for minutes in moments][1:])

    problems = _problems(house)
    assert _about(box, "ceo") == []
    assert [row for row in _owed(house) if row.role == "ceo" and row.incident_id]
    if who == "everybody":
        assert "mail reaches nobody" in problems
        assert _rung(house) == {"operator", "ceo"}
        assert _called_dead(house) == set()
    else:
        assert problems
        assert not any("nobody" in problem for problem in problems)
        assert _about(box, "chair")
        assert any("does not arrive" in subject for subject in _subjects(box, "operator"))
        assert _called_dead(house) == ({"ceo"} if fault == "dead address" else set())

    box.answer_as_usual()
    house.fast_forward(minutes=90, step=timedelta(minutes=30))
    assert _about(box, "ceo")
    assert _about(box, "chair")
    assert _owed(house) == []
    assert _problems(house) == []
    told = "reaches nobody" if who == "everybody" else "does not arrive"
    assert any(told in subject for subject in _subjects(box, "operator"))


def _live(house: House, began: datetime, moments: Iterable[int]) -> None:
    """Let time pass, with a round at so many minutes after the beginning."""
    for minutes in moments:
        until = began + timedelta(minutes=minutes)
        house.fast_forward(seconds=(until - house.now).total_seconds(), step=timedelta(hours=24))


def _problems(house: House) -> list[str]:
    """What is wrong with telling people; health and ping must say the same."""
    app = house.app
    with app.database.read() as session:
        problems = reaching.problems(session, app.desk, house.now)
    body, is_well = health_json(PagesHouse(app))
    reasons = ping.reasons(app, house.now)
    assert [p for p in problems if p not in body["problems"] or p not in reasons] == []
    assert not (problems and is_well)
    return problems


def _owed(house: House) -> list[AlertRow]:
    with house.app.database.read() as session:
        return list(session.scalars(select(AlertRow).where(is_owed())))


def _called_dead(house: House) -> set[str]:
    with house.app.database.read() as session:
        return set(session.scalars(select(PersonRow.role).where(PersonRow.refused_at.is_not(None))))


def _about(box: Mailbox, role: str) -> list[Kept]:
    """The letters of an incident that somebody got."""
    return [
        letter
        for letter in box.to(PEOPLE[role])
        if letter.message["X-Earshot-Kind"] == MailKind.ALERT.value and letter.message["X-Earshot-Incident"] != "none"
    ]


def _subjects(box: Mailbox, role: str) -> list[str]:
    return [str(letter.message["Subject"]) for letter in box.to(PEOPLE[role])]


def _rung(house: House) -> set[str]:
    """Whose phones were told that mail reaches nobody."""
    return {url.rpartition("/")[2] for url, title, _, _ in house.rings if "reaches nobody" in title}
