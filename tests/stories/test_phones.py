"""Phones are rung as surely as mails are sent: tried again, never lost, told in the log, and with the way to answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from makers import a_mention, an_assessment
from phone_services import SECRETS, PhoneServices
from sqlalchemy import select

from alerts.model import Severity
from monitor import actions, ping
from monitor.model import Category
from monitor.store.tables import AlertRow, IncidentRow, LogRow
from monitor.testing import PEOPLE, Bench, House, a_house

CRISIS = an_assessment(Severity.CRISIS, Category.THREAT)
ALERT = an_assessment(Severity.ALERT, Category.COMPLAINT)
NTFY, SMS = "ntfy://127.0.0.1/tuk-secret-topic", "earshotsms://token-of-the-sms/447700900123"


def people(*phones: str, chair: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "ceo": {"name": "Rowan Ashdown", "email": PEOPLE["ceo"], "phones": list(phones)},
        "chair": {"name": "Imogen Vale", "email": PEOPLE["chair"], "phones": list(chair)},
        "operator": {"name": "Kit Marlow", "email": PEOPLE["operator"]},
    }


def begin(house: House) -> House:
    house.tick()
    house.fast_forward(minutes=2)
    house.mailer.letters.clear()
    return house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = begin(a_house(tmp_path, people=people(NTFY, SMS)))
    yield house
    house.app.close()


def log(house: House) -> list[str]:
    with house.app.database.read() as session:
        return [row.what for row in session.scalars(select(LogRow).order_by(LogRow.id))]


def incident(house: House) -> IncidentRow:
    with house.app.database.read() as session:
        return session.scalars(select(IncidentRow)).one()


def acknowledge(house: House) -> None:
    actor = actions.Actor("ceo", "Rowan Ashdown")
    house.app.database.in_transaction(lambda s: actions.acknowledge(s, incident(house).id, actor, house.now))


def test_a_crisis_rings_each_phone_once_with_the_way_to_say_that_one_is_on_it(house: House) -> None:
    house.say(a_mention("They wait for her with a knife"), CRISIS)
    house.fast_forward(minutes=1)

    assert sorted(url for url, *_ in house.rings) == sorted([NTFY, SMS])
    assert all(link.startswith("http://127.0.0.1:8080/a/") for *_, link in house.rings)
    assert house.rings[0][1].startswith("CRISIS")
    assert "Acknowledge: I am on it:" in house.rings[0][2]
    assert "knife" not in str(house.rings)


def test_the_log_tells_who_was_rung(house: House) -> None:
    house.say(a_mention("They wait for her with a knife"), CRISIS)
    house.fast_forward(minutes=1)

    assert log(house).count("Rung Rowan Ashdown (CEO).") == 2


def test_a_phone_that_is_silent_is_tried_again_and_the_other_is_not_rung_twice(house: House) -> None:
    house.silent.add(SMS)
    house.say(a_mention("They wait for her with a knife"), CRISIS)
    house.fast_forward(minutes=3)
    assert [url for url, *_ in house.rings] == [NTFY]
    assert "Rowan Ashdown (CEO) was not rung: The phone (ntfy) did not take the message. It is tried again." in log(
        house
    )

    house.silent.clear()
    house.fast_forward(minutes=5)

    assert [url for url, *_ in house.rings] == [NTFY, SMS]


def test_whoever_is_on_it_is_rung_no_more(house: House) -> None:
    house.silent.update({NTFY, SMS})
    house.say(a_mention("They wait for her with a knife"), CRISIS)
    house.fast_forward(minutes=1)
    acknowledge(house)

    house.silent.clear()
    house.fast_forward(hours=2, step=timedelta(minutes=2))

    assert house.rings == []


def test_after_a_long_silence_a_phone_rings_once_for_one_matter(house: House) -> None:
    house.silent.update({NTFY, SMS})
    house.say(a_mention("They wait for her with a knife"), CRISIS)
    house.fast_forward(hours=4, step=timedelta(minutes=3))

    house.silent.clear()
    house.fast_forward(minutes=16)

    assert sorted(url for url, *_ in house.rings) == sorted([NTFY, SMS])


def test_the_operator_hears_of_a_phone_that_stays_silent_once_a_day(house: House) -> None:
    house.silent.add(SMS)
    house.say(a_mention("They wait for her with a knife"), CRISIS)
    house.fast_forward(hours=3, step=timedelta(minutes=2))

    told = [letter for letter in house.inbox("operator") if letter.subject.startswith("PHONE SILENT")]
    assert [letter.subject for letter in told] == ["PHONE SILENT: A phone of the CEO cannot be rung"]
    assert "Rowan Ashdown (CEO)" in told[0].text


def test_a_phone_that_left_the_settings_is_rung_no_more_and_the_new_one_is(house: House) -> None:
    house.silent.add(SMS)
    house.say(a_mention("They wait for her with a knife"), CRISIS)
    house.fast_forward(minutes=1)
    desk = house.app.desk
    ceo = replace(desk.people["ceo"], phones=(NTFY, "ntfy://127.0.0.1/another"))
    desk.people["ceo"] = ceo  # type: ignore[index]

    house.silent.clear()
    house.fast_forward(minutes=20)  # the chain tells again after a quarter of an hour

    assert SMS not in {url for url, *_ in house.rings}
    assert "ntfy://127.0.0.1/another" in {url for url, *_ in house.rings}


def test_a_phone_does_not_change_who_is_mailed(house: House) -> None:
    house.silent.update({NTFY, SMS})
    house.say(a_mention("They wait for her with a knife"), CRISIS)
    house.fast_forward(minutes=10)

    assert len(house.inbox("ceo")) == 1
    assert house.inbox("chair") == []


def test_the_secrets_of_phones_stand_neither_in_the_store_nor_in_a_mail(house: House, tmp_path: Path) -> None:
    house.silent.add(SMS)
    house.say(a_mention("They wait for her with a knife"), CRISIS)
    house.fast_forward(hours=3, step=timedelta(minutes=2))
    house.app.database.fold_log()

    content = b"".join(path.read_bytes() for path in tmp_path.glob("earshot.db*"))
    content += "".join(letter.text + letter.html for letter in house.mailer.letters).encode()
    assert b"tuk-secret-topic" not in content
    assert b"token-of-the-sms" not in content


def test_an_alert_at_night_rings_nobody_before_the_morning(tmp_path: Path) -> None:
    house = a_house(tmp_path, people=people(NTFY))
    house.now = house.now.replace(hour=21, minute=50)
    begin(house)
    house.silent.add(NTFY)
    house.say(a_mention("You never answer my letters"), ALERT)
    house.fast_forward(minutes=12)

    house.silent.clear()
    house.fast_forward(hours=8, minutes=50, step=timedelta(minutes=1))
    assert house.rings == []
    assert not [reason for reason in ping.reasons(house.app, house.now) if "alert" in reason]

    house.fast_forward(minutes=20)
    assert [url for url, *_ in house.rings] == [NTFY]
    house.app.close()


def test_without_a_public_address_a_phone_says_where_to_read_on(tmp_path: Path) -> None:
    house = begin(a_house(tmp_path, people=people(NTFY), web={}))
    house.say(a_mention("They wait for her with a knife"), CRISIS)
    house.fast_forward(minutes=1)

    ((_, _, words, link),) = house.rings
    assert link == ""
    assert "Please read the e-mail from Earshot now." in words
    house.app.close()


@pytest.mark.real
def test_the_whole_way_to_each_service_and_back_after_its_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Ringing(Bench):
        """Phones ring for real; all else is scripted."""

        def run(self, deadline: timedelta, work: Any, *args: Any, **kwargs: Any) -> Any:
            if getattr(work, "__name__", "") == "ring":
                return work(*args)
            return super().run(deadline, work, *args, **kwargs)

    with PhoneServices(tmp_path) as services:
        services.lead_here(monkeypatch)
        house = a_house(tmp_path, people=people(*services.urls.values()))
        house.app.__dict__["runner"] = Ringing(house)
        begin(house)
        for name in services.heard:
            services.answer_next(name, (503, "canary"), (429, "canary"))

        house.say(a_mention("They wait for her with a knife"), CRISIS)
        house.fast_forward(minutes=10)

        assert services.refused == []
        assert {name: len(heard) for name, heard in services.heard.items()} == dict.fromkeys(services.heard, 1)
        for (heard,) in services.heard.values():
            assert heard.title.startswith("CRISIS")
            assert "http://127.0.0.1:8080/a/" in heard.body
            assert "knife" not in heard.body
        assert log(house).count("Rung Rowan Ashdown (CEO).") == 4
        with house.app.database.read() as session:
            rows = session.scalars(select(AlertRow).where(AlertRow.channel == "phone")).all()
            assert sorted(row.attempts for row in rows) == [3, 3, 3, 3]
        house.app.close()
    assert [secret for secret in SECRETS if secret in caplog.text] == []
