"""When mail does not arrive: nobody who should be told is left out, the operator hears of it, health tells the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from makers import a_mention, an_assessment
from sqlalchemy import select, update

from alerts.model import DeliveryFailed, MailKind, Refusal, Severity, Stage
from alerts.takeover import State
from monitor import actions, ping, reaching, takeovers
from monitor.model import Category
from monitor.outbox import is_owed
from monitor.store.tables import AlertRow, IncidentRow, PersonRow
from monitor.testing import PEOPLE, House
from monitor.web.house import House as PagesHouse
from monitor.web.publishing import health_json

MakeHouse = Callable[..., House]
ALERT = an_assessment(Severity.ALERT, Category.COMPLAINT)
CRISIS = an_assessment(Severity.CRISIS, Category.THREAT)
PHONES = {
    "people": {
        "ceo": {"name": "Rowan Ashdown", "email": PEOPLE["ceo"], "phones": ["json://127.0.0.1:9/ceo"]},
        "chair": {"name": "Imogen Vale", "email": PEOPLE["chair"]},
        "operator": {"name": "Kit Marlow", "email": PEOPLE["operator"], "phones": ["json://127.0.0.1:9/operator"]},
    }
}

DEAD = Refusal(Stage.RECIPIENT, 550, "5.1.1", "user unknown")
FULL = Refusal(Stage.RECIPIENT, 552, "5.2.2", "mailbox full")
POLICY = Refusal(Stage.RECIPIENT, 550, "5.7.1", "not by our policy")
SIGN_IN = Refusal(Stage.SIGN_IN, 535, "5.7.8", "wrong password")
LIMIT = Refusal(Stage.SENDER, 550, "5.4.5", "daily sending limit")
GREY = Refusal(Stage.RECIPIENT, 450, "4.7.1", "greylisted, come again")


def _health(house: House) -> tuple[list[str], bool]:
    """What is wrong with telling people, as health and ping say it."""
    app = house.app
    with app.database.read() as session:
        problems = reaching.problems(session, app.desk, house.now)
    body, _ = health_json(PagesHouse(app))
    said = [*body["problems"]]
    assert [p for p in problems if p not in said] == []
    assert [p for p in problems if p not in ping.reasons(app, house.now)] == []
    return problems, not problems


def _owed(house: House, role: str) -> list[AlertRow]:
    with house.app.database.read() as session:
        return list(session.scalars(select(AlertRow).where(is_owed(), AlertRow.role == role)))


def _about(house: House, role: str) -> list[str]:
    return [letter.incident for letter in house.inbox(role) if letter.kind is MailKind.ALERT and letter.incident]


ROUND = timedelta(seconds=5)
"""How often the daemon looks who was not reached."""


def _until(house: House, moment: datetime) -> None:
    """Let time pass in rounds until ``moment``, the last of them as short as the daemon's."""
    house.fast_forward(seconds=(moment - 12 * ROUND - house.now).total_seconds())
    house.fast_forward(seconds=(moment - house.now).total_seconds(), step=ROUND)


# ── one person is not reached ───────────────────────────────────────────────────────────────────────


CUT = DeliveryFailed("The mail server closed the line.")


@pytest.mark.parametrize("answer", [GREY, CUT, DeliveryFailed("no route", unanswered=True)], ids=["4xx", "cut", "none"])
@pytest.mark.parametrize(("grave", "borne"), [(CRISIS, 5), (ALERT, 30)], ids=["crisis", "alert"])
def test_temporary_answers_have_the_next_told_at_exactly_their_time_whenever_the_letter_is_tried_again(
    make_house: MakeHouse, answer: object, grave: object, borne: int
) -> None:
    house = make_house("facebook")
    if isinstance(answer, DeliveryFailed):
        house.mailer.fail_next(*[answer] * 200)
    else:
        house.mailer.refuse_everybody(GREY)
    house.say(a_mention("a grave matter"), grave)  # type: ignore[arg-type]

    house.fast_forward(seconds=30)
    (first,) = _owed(house, "ceo")
    assert first.tried_at is not None
    due = first.tried_at + timedelta(minutes=borne)
    _until(house, due - ROUND)
    assert _owed(house, "chair") == []
    with house.app.database.write() as session:
        session.execute(update(AlertRow).values(retry_at=due + timedelta(minutes=10)))
    house.fast_forward(seconds=ROUND.total_seconds(), step=ROUND)

    assert [row.made_at for row in _owed(house, "chair")] == [due]


def test_temporary_answers_of_the_night_have_the_next_told_of_an_alert_at_seven(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.fast_forward(hours=7, minutes=40, step=timedelta(hours=1))  # 21:42 in London
    house.mailer.refuse(PEOPLE["ceo"], GREY)
    house.say(a_mention("a complaint"), ALERT)
    seven = house.now.replace(hour=7, minute=0, second=0) + timedelta(days=1)

    house.fast_forward(hours=9, minutes=10, step=timedelta(minutes=10))
    _until(house, seven - ROUND)
    assert (_owed(house, "chair"), house.inbox("chair")) == ([], [])
    house.fast_forward(seconds=ROUND.total_seconds(), step=ROUND)

    assert [letter.sent_at for letter in house.inbox("chair")] == [seven]


def test_a_round_up_begins_no_new_time_for_what_was_tried_alone_before(make_house: MakeHouse) -> None:
    house = make_house("facebook", "x")
    house.mailer.refuse(PEOPLE["ceo"], GREY)
    house.say(a_mention("the first grave matter", thread="first"), CRISIS)
    house.fast_forward(minutes=1, seconds=30)
    (first,) = _owed(house, "ceo")
    for number in range(12):
        house.say(a_mention(f"{'abcdefghijkl'[number] * 40} matter", thread=f"t{number}"), CRISIS)
    with house.app.database.write() as session:
        session.execute(update(AlertRow).where(AlertRow.id == first.id).values(retry_at=house.now))
    assert first.tried_at is not None
    due = first.tried_at + timedelta(minutes=5)

    _until(house, due - ROUND)
    assert [row.template for row in _owed(house, "ceo") if row.bundle == ""] == ["roundup"]
    assert house.inbox("chair") == []
    house.fast_forward(seconds=ROUND.total_seconds(), step=ROUND)

    assert _about(house, "chair") == [first.incident_id]


def test_a_letter_that_is_due_again_since_mail_left_for_its_person_is_waited_for_a_moment(
    make_house: MakeHouse,
) -> None:
    house = make_house("facebook")
    house.mailer.refuse(PEOPLE["ceo"], GREY)
    house.say(a_mention("a grave matter"), CRISIS)
    house.fast_forward(seconds=30)
    (first,) = _owed(house, "ceo")
    assert first.tried_at is not None
    due = first.tried_at + timedelta(minutes=5)
    _until(house, due - ROUND)
    house.mailer.accept()
    app = house.app
    app.database.in_transaction(
        lambda s: app.desk.owe(
            s, "token_ends", MailKind.DEAF, app.desk.people["ceo"], house.now, key="t", severity=Severity.CRISIS,
            facts={"platform": "x"},
        )
    )  # fmt: skip
    app.dispatcher.deliver_next()
    assert [letter.kind for letter in house.inbox("ceo")] == [MailKind.DEAF]

    def is_chair_owed(after: timedelta) -> bool:
        app.database.in_transaction(lambda s: app.dispatcher.look(s, due + after))
        return bool(_owed(house, "chair"))

    assert not is_chair_owed(timedelta())
    assert is_chair_owed(timedelta(seconds=30))


def test_temporary_answers_that_end_in_time_send_the_chair_nothing(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.mailer.refuse(PEOPLE["ceo"], GREY)
    house.say(a_mention("a grave matter"), CRISIS)
    house.fast_forward(minutes=4)
    house.mailer.accept()
    house.fast_forward(minutes=9)

    assert len(_about(house, "ceo")) == 1
    assert house.inbox("chair") == []
    assert house.inbox("operator") == []


def test_an_alert_of_the_night_goes_to_the_chair_in_the_morning_unless_the_ceo_was_reached_before(
    make_house: MakeHouse,
) -> None:
    house = make_house("facebook")
    house.fast_forward(hours=9, step=timedelta(hours=1))  # 23:02 in London
    house.mailer.letters.clear()
    house.mailer.refuse(PEOPLE["ceo"], FULL)
    house.say(a_mention("a complaint"), ALERT)

    house.fast_forward(hours=7, minutes=50, step=timedelta(minutes=30))
    assert house.inbox("chair") == []
    assert not _health(house)[1]
    house.fast_forward(minutes=15, step=timedelta(minutes=1))
    assert len(_about(house, "chair")) == 1


def test_a_dead_address_is_known_as_one_and_a_full_mailbox_is_not(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    for refusal, dead in ((FULL, False), (POLICY, False), (DEAD, True)):
        house.mailer.refuse(PEOPLE["ceo"], refusal)
        house.say(a_mention(f"a grave matter {refusal}"), CRISIS)
        house.fast_forward(minutes=1)
        with house.app.database.read() as session:
            assert house.app.desk.is_refused(session, "ceo") is dead
            row = session.get(PersonRow, "ceo")
            assert (row is not None and row.refused_at is not None) is dead


def test_a_corrected_address_gets_at_once_what_was_refused(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.mailer.refuse(PEOPLE["ceo"])
    house.say(a_mention("a complaint"), ALERT)
    house.fast_forward(hours=5, step=timedelta(minutes=30))
    app, people = house.app, house.app.settings.people
    app.take_people(replace(people, ceo=replace(people.ceo, email="right@tessellateuk.example")))

    house.fast_forward(seconds=30)

    assert [letter.kind for letter in house.mailer.to("right@tessellateuk.example")] == [MailKind.ALERT] * 2
    with app.database.read() as session:
        assert not app.desk.is_refused(session, "ceo")


def test_what_is_owed_to_a_chair_who_left_the_settings_does_not_leave_any_more(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.mailer.refuse_everybody(POLICY)
    house.say(a_mention("a grave matter"), CRISIS)
    house.fast_forward(minutes=2)
    assert _owed(house, "chair")
    app = house.app
    app.take_people(replace(app.settings.people, chair=None))

    app.dispatcher.free()

    assert _owed(house, "chair") == []


def test_a_letter_is_given_up_after_five_days_and_not_before(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.mailer.refuse(PEOPLE["ceo"], FULL)
    house.say(a_mention("a complaint"), ALERT)
    house.fast_forward(days=4, hours=23, step=timedelta(hours=4))
    assert [row for row in _owed(house, "ceo") if row.incident_id]
    tries = sum(letter.recipient_address == PEOPLE["ceo"] for letter in house.mailer.tries)

    house.fast_forward(days=1, step=timedelta(hours=1))

    assert [row for row in _owed(house, "ceo") if row.template == "alert"] == []
    assert tries < 600


def test_a_full_mailbox_of_the_operator_is_told_to_the_ceo(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    app = house.app
    house.mailer.refuse(PEOPLE["operator"], FULL)
    app.database.in_transaction(
        lambda s: app.desk.owe_to_operator(s, "token_ends", MailKind.DEAF, house.now, key="t", facts={"platform": "x"})
    )
    house.fast_forward(minutes=1)

    subjects = house.subjects("ceo")
    assert any("Mail to the operator does not arrive" in subject for subject in subjects)
    assert any("Access to X" in subject for subject in subjects)


def test_a_poster_who_cannot_be_told_of_a_takeover_is_named_to_the_operator(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    app = house.app
    house.mailer.refuse(PEOPLE["poster"])
    app.database.in_transaction(lambda s: takeovers.begin(s, app.desk, by="Rowan", reason="r", now=house.now))
    house.fast_forward(minutes=1)

    assert any("Mail to the poster does not arrive" in subject for subject in house.subjects("operator"))


def test_of_an_incident_about_the_ceo_that_the_chair_cannot_get_the_operator_is_asked_to_ring(
    make_house: MakeHouse,
) -> None:
    house = make_house("facebook")
    house.mailer.refuse(PEOPLE["chair"], FULL)
    house.say(a_mention("it was her"), an_assessment(Severity.CRISIS, Category.STAFF_CONDUCT, spoken_of=("ceo",)))
    house.fast_forward(hours=2, step=timedelta(minutes=6))

    assert _about(house, "ceo") == []
    assert [subject for subject in house.subjects("operator") if "ring" in subject]
    assert not _health(house)[1]


def test_a_reminder_that_arrives_takes_the_place_of_the_older_ones(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.mailer.refuse(PEOPLE["ceo"], FULL)
    house.say(a_mention("a grave matter"), CRISIS)
    house.fast_forward(hours=5, step=timedelta(minutes=15))
    assert len([row for row in _owed(house, "ceo") if row.template == "alert"]) >= 5

    house.mailer.accept()
    house.fast_forward(minutes=20, step=timedelta(minutes=1))

    assert len(_about(house, "ceo")) <= 2
    assert _owed(house, "ceo") == []


# ── nobody at all is reached ────────────────────────────────────────────────────────────────────────


def test_an_incident_that_nobody_was_told_of_stays_red_until_somebody_has_seen_it(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.mailer.refuse_everybody(POLICY)
    house.say(a_mention("a complaint"), ALERT)
    house.fast_forward(days=6, step=timedelta(hours=6))
    problems, _ = _health(house)
    assert "something that somebody must know has reached nobody" in problems

    with house.app.database.read() as session:
        incident = session.scalars(select(IncidentRow)).one().id
    actor = actions.Actor("ceo", "Rowan Ashdown")
    house.app.database.in_transaction(lambda s: actions.acknowledge(s, incident, actor, house.now))

    problems, _ = _health(house)
    assert "something that somebody must know has reached nobody" not in problems


def test_the_first_incident_is_red_at_once_where_everybody_refuses(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.mailer.refuse_everybody(SIGN_IN)
    house.say(a_mention("a grave matter"), CRISIS)
    house.fast_forward(seconds=30)

    problems, _ = _health(house)
    assert problems == ["mail reaches nobody", "something that somebody must know has reached nobody"]


def test_phones_ring_for_an_alert_of_the_night_in_the_morning_and_for_a_crisis_at_once(make_house: MakeHouse) -> None:
    house = make_house("facebook", **PHONES)
    house.fast_forward(hours=9, step=timedelta(hours=1))  # 23:02 in London
    house.mailer.refuse_everybody(POLICY)
    house.say(a_mention("a complaint"), ALERT)
    house.fast_forward(hours=7, minutes=50, step=timedelta(minutes=47))
    assert house.rung == []
    house.fast_forward(minutes=30, step=timedelta(minutes=2))
    assert [title for title, _ in house.rung if "reaches nobody" in title]

    other = make_house("facebook", **PHONES)
    other.fast_forward(hours=9, step=timedelta(hours=1))
    other.mailer.refuse_everybody(POLICY)
    other.say(a_mention("a grave matter"), CRISIS)
    other.fast_forward(minutes=1)
    assert [title for title, _ in other.rung if "reaches nobody" in title]


def test_a_second_mail_server_carries_everything_while_the_first_takes_nothing(make_house: MakeHouse) -> None:
    second = {"host": "localhost", "port": 2525, "security": "none"}
    house = make_house(
        "facebook",
        mail={"host": "localhost", "security": "none", "from": "earshot@tessellateuk.example", "relay": second},
    )
    house.mailer.refuse_everybody(LIMIT)
    house.say(a_mention("a grave matter"), CRISIS)
    house.fast_forward(minutes=3)

    to = {letter.recipient_address for letter in house.second.letters if "reaches nobody" in letter.subject}
    assert to == {PEOPLE["ceo"], PEOPLE["operator"]}
    assert [letter for letter in house.second.to(PEOPLE["ceo"]) if letter.incident]
    problems, _ = _health(house)
    assert problems == ["mail reaches nobody"]

    house.mailer.accept()
    house.say(a_mention("something else entirely that nobody had ever heard of before"), ALERT)
    house.fast_forward(minutes=3)
    assert _health(house) == ([], True)


def test_no_server_that_answers_is_asked_by_one_letter_for_all_and_used_within_a_minute(make_house: MakeHouse) -> None:
    house = make_house("facebook", "x")
    for number in range(6):
        house.say(a_mention(f"{'abcdef'[number] * 40} matter", external_id=f"m{number}", thread=f"t{number}"), CRISIS)
    house.mailer.fail_next(*[DeliveryFailed("no route", unanswered=True)] * 300)
    house.fast_forward(minutes=15)
    tries = len(house.mailer.tries)
    house.fast_forward(minutes=30)
    assert len(house.mailer.tries) - tries < 70

    house.mailer.stop_failing()
    house.fast_forward(seconds=70, step=timedelta(seconds=10))
    assert house.inbox("ceo")


def test_takeover_counts_its_hour_from_the_first_mail_that_a_server_took(make_house: MakeHouse) -> None:
    house = make_house("facebook", takeover={"begin_by_itself": "crisis"})
    house.mailer.refuse_everybody(POLICY)
    house.say(a_mention("a grave matter"), CRISIS)

    def state() -> State:
        with house.app.database.read() as session:
            return takeovers.current(session).state

    house.fast_forward(hours=5, step=timedelta(minutes=20))
    assert state() is State.PROPOSED
    house.mailer.accept()
    house.fast_forward(minutes=50, step=timedelta(minutes=5))
    assert state() is State.PROPOSED
    house.fast_forward(hours=1, step=timedelta(minutes=5))
    assert state() is State.ACTIVE
