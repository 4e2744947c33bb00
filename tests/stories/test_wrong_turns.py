"""What must never happen: an alert that is lost, one that goes to the person it is about, one taken back by a storm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from makers import a_mention, an_assessment
from sqlalchemy import func, select

from alerts.model import DeliveryFailed, MailKind, Severity
from alerts.takeover import State
from connectors.errors import CredentialsRejected
from connectors.model import Author, Kind
from monitor import actions, backup, takeovers
from monitor.links import Holder, Purpose, use_up, was_used
from monitor.model import Category
from monitor.store.tables import AlertRow, IncidentRow, LinkUseRow, MentionRow, PersonRow, PlatformRow, TakeoverRow
from monitor.testing import House

MakeHouse = Callable[..., House]
CEO = actions.Actor("ceo", "Rowan Ashdown")
ALERT = an_assessment(Severity.ALERT, Category.COMPLAINT)
CRISIS = an_assessment(Severity.CRISIS, Category.MISINFORMATION)
DISCLOSURE = an_assessment(Severity.ALERT, Category.SAFEGUARDING, Category.COMPLAINT)
THREAT = an_assessment(Severity.CRISIS, Category.THREAT)
BY_ITSELF = {"takeover": {"begin_by_itself": "crisis"}}


def _incidents(house: House) -> list[IncidentRow]:
    with house.app.database.read() as session:
        return list(session.scalars(select(IncidentRow).order_by(IncidentRow.opened_at, IncidentRow.id)))


def _state(house: House) -> State:
    with house.app.database.read() as session:
        return takeovers.current(session).state


# ── the right person ────────────────────────────────────────────────────────────────────────────────


def test_an_alert_that_waits_for_the_ceo_does_not_leave_once_the_incident_names_them(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    about = an_assessment(Severity.ALERT, Category.COMPLAINT, spoken_of=("ceo",))
    house.say(a_mention("a complaint", external_id="c1", thread="post"), ALERT)
    house.say(a_mention("and it was Rowan Ashdown", external_id="c2", parent="c1", thread="post"), about)

    house.fast_forward(hours=3, step=timedelta(minutes=2))

    assert len(_incidents(house)) == 1
    assert [letter for letter in house.inbox("ceo") if letter.kind is MailKind.ALERT] == []
    assert house.inbox("chair")


def test_the_chair_is_told_at_once_when_an_incident_turns_out_to_be_about_the_ceo(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    about = an_assessment(Severity.ALERT, Category.COMPLAINT, spoken_of=("ceo",))
    house.say(a_mention("a complaint", external_id="c1", thread="post"), ALERT)
    house.fast_forward(minutes=5)
    house.say(a_mention("and it was Rowan Ashdown", external_id="c2", parent="c1", thread="post"), about)
    house.fast_forward(minutes=1)

    assert len(house.inbox("chair")) == 1
    assert len(house.inbox("ceo")) == 1


def test_what_still_waits_goes_to_the_address_of_the_present_settings(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.mailer.fail_next(*[DeliveryFailed("no route")] * 3)
    house.say(a_mention("a complaint"), ALERT)
    house.fast_forward(seconds=30)
    app = house.app
    people = app.settings.people
    app.take_people(replace(people, ceo=replace(people.ceo, email="right@tessellateuk.example")))

    app.dispatcher.free()
    house.mailer.fail_next()
    house.fast_forward(minutes=20)

    assert [letter.kind for letter in house.mailer.to("right@tessellateuk.example")][:1] == [MailKind.ALERT]


def test_an_address_that_takes_mail_again_is_no_longer_called_refused(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.mailer.refuse("rowan@tessellateuk.example")
    house.say(a_mention("a complaint"), ALERT)
    house.fast_forward(minutes=1)
    assert house.inbox("chair")
    house.mailer.accept()
    house.say(a_mention("a disclosure"), THREAT)
    house.fast_forward(minutes=1)
    assert house.inbox("ceo")

    with house.app.database.read() as session:
        assert session.get_one(PersonRow, "ceo").refused_at is None


def test_a_round_up_that_is_refused_is_told_to_the_chair_and_not_tried_for_ever(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    for number in range(9):
        words = f"a wholly different matter that was never heard of before, {'abcdefghi'[number] * 30}"
        house.say(a_mention(words, external_id=f"d{number}", thread=f"t{number}"), THREAT)
    for _ in range(7):
        house.app.poller.poll(house.app.stations["facebook"])
        house.app.dispatcher.deliver_next()
    house.mailer.refuse("rowan@tessellateuk.example")
    house.fast_forward(minutes=10)

    with house.app.database.read() as session:
        tries = session.scalar(select(func.max(AlertRow.attempts)).where(AlertRow.template == "roundup"))
        assert session.scalars(select(AlertRow.id).where(AlertRow.retry_at > house.now, AlertRow.claimed)).all() == []
    assert (tries or 0) <= 1
    told = "\n".join(letter.text for letter in [*house.inbox("ceo"), *house.inbox("chair")])
    assert [row.id for row in _incidents(house) if row.id not in told] == []


def test_a_disclosure_in_a_grumbles_thread_is_protected_as_a_disclosure(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.say(a_mention("the queue was long", external_id="c1", thread="post"), ALERT)
    house.fast_forward(minutes=2)
    house.say(a_mention("and he touched my daughter", external_id="c2", parent="c1", thread="post"), DISCLOSURE)
    house.fast_forward(hours=2, step=timedelta(minutes=2))

    grave = next(row for row in _incidents(house) if row.category == "safeguarding")
    calm = house.app.database.in_transaction(
        lambda s: actions.calm(s, house.app.desk, grave.id, CEO, "known", house.now)
    )
    assert calm == "quiet"
    assert all("touched my daughter" not in letter.text for letter in house.mailer.letters)


# ── counting ────────────────────────────────────────────────────────────────────────────────────────


def test_editing_a_post_again_and_again_is_no_growing_incident(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    post = house.say(a_mention("a complaint"), ALERT)
    house.fast_forward(minutes=1)
    for number in range(8):
        house.edit(post, f"a complaint, edited {number}", ALERT)
        house.fast_forward(minutes=1)

    assert _incidents(house)[0].mentions == 1
    assert len(house.inbox("ceo")) == 1


def test_a_post_that_two_polls_bring_at_the_same_time_counts_once(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    app, mention = house.app, a_mention("a complaint", posted_at=house.now)
    house.scorer.told["a complaint"] = ALERT
    judged = app.intake.judge([mention])

    for _ in range(2):  # both had looked before either had stored it
        app.database.in_transaction(
            lambda s: app.intake.take_in(s, judged, [mention], (), platform="facebook", now=house.now)
        )

    assert _incidents(house)[0].mentions == 1
    with app.database.read() as session:
        assert session.scalars(select(MentionRow.version)).all() == [1]


def test_words_of_hostile_form_are_stored_and_stop_nothing(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    author = Author(name="Nul\x00l \ud800", handle="h" * 5_000, id="9" * 900, followers=10**30)
    house.say(a_mention("a complaint", author=author, lang="x" * 99, likes=10**40, thread="t" * 900), ALERT)
    house.say(a_mention("lost", external_id="i" * 999), ALERT)
    house.say(a_mention("lost too", external_id="p", parent="nul\x00l"), ALERT)
    house.say(a_mention("poison", external_id="u", url="https://x.example/\x00\ud800"), None)
    house.say(a_mention("a second complaint", platform="facebook"), ALERT)

    house.fast_forward(minutes=1)

    with house.app.database.read() as session:
        assert len(session.scalars(select(MentionRow)).all()) == 3
    assert house.inbox("ceo")


# ── takeover ────────────────────────────────────────────────────────────────────────────────────────


def test_a_proposal_falls_away_when_its_incident_is_closed(make_house: MakeHouse) -> None:
    house = make_house("facebook")
    house.say(a_mention("a grave lie"), CRISIS)
    house.fast_forward(minutes=1)
    assert _state(house) is State.PROPOSED

    incident = _incidents(house)[0].id
    house.app.database.in_transaction(lambda s: actions.close(s, house.app.desk, incident, CEO, "untrue", house.now))
    house.fast_forward(minutes=1)

    assert _state(house) is State.NORMAL
    assert house.inbox("poster") == []
    with house.app.database.read() as session:
        assert takeovers.history(session)[0].verb == "withdraw"


def test_a_proposal_withdrawn_for_one_incident_holds_back_no_takeover_for_another(make_house: MakeHouse) -> None:
    house = make_house("facebook", "x", **BY_ITSELF)
    house.say(a_mention("a grave lie"), CRISIS)
    house.say(a_mention("we know where you live", platform="x"), THREAT)
    house.fast_forward(minutes=10)
    lie = next(row.id for row in _incidents(house) if row.category == "misinformation")
    house.app.database.in_transaction(lambda s: actions.close(s, house.app.desk, lie, CEO, "untrue", house.now))
    house.fast_forward(minutes=55)

    assert _state(house) is State.ACTIVE


def test_a_storm_that_goes_on_does_not_begin_again_what_a_person_ended(make_house: MakeHouse) -> None:
    house = make_house("facebook", "x", **BY_ITSELF)

    def storm(start: int) -> None:
        for number in range(start, start + 4):
            place = "x" if number % 2 else "facebook"
            author = Author(id=f"a{number}")
            house.say(
                a_mention("a grave lie about us", external_id=f"n{number}", platform=place, author=author), CRISIS
            )

    storm(0)
    house.fast_forward(minutes=2)
    assert _state(house) is State.ACTIVE
    app = house.app
    app.database.in_transaction(
        lambda s: takeovers.end(s, app.desk, by="Rowan Ashdown", reason="answered", now=house.now)
    )
    storm(10)
    house.fast_forward(minutes=5)

    assert _state(house) is not State.ACTIVE
    with app.database.read() as session:
        begun = session.scalar(select(func.count()).where(TakeoverRow.verb == "begin"))
    assert begun == 1


def test_our_own_account_that_is_hacked_again_begins_it_again(make_house: MakeHouse) -> None:
    house = make_house("facebook", **BY_ITSELF)
    hacked = an_assessment(Severity.CRISIS, Category.ACCOUNT_COMPROMISE)
    app = house.app
    for number in range(2):
        house.say(a_mention(f"lol owned {number}", kind=Kind.OWN_POST, external_id=f"h{number}"), hacked)
        house.fast_forward(minutes=2)
        assert _state(house) is State.ACTIVE
        app.database.in_transaction(lambda s: takeovers.end(s, app.desk, by="Rowan", reason="mended", now=house.now))


def test_a_takeover_about_an_incident_that_does_not_exist_is_refused(make_house: MakeHouse) -> None:
    house = make_house("facebook")

    with pytest.raises(takeovers.machine.Refused, match="no incident"):
        house.app.database.in_transaction(
            lambda s: takeovers.begin(s, house.app.desk, by="R", reason="r", now=house.now, incident="nonsense")
        )


# ── hearing ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_platform_that_fails_and_recovers_every_few_minutes_is_told_once(make_house: MakeHouse) -> None:
    house = make_house()
    for _ in range(12):
        house.fail("x", CredentialsRejected("X does not accept the token."))
        house.fast_forward(minutes=4, step=timedelta(minutes=1))
        house.fail("x", None)
        house.fast_forward(minutes=4, step=timedelta(minutes=1))

    deaf = [letter for letter in house.inbox("operator") if letter.kind is MailKind.DEAF]
    assert len(deaf) <= 4

    house.fast_forward(hours=4, step=timedelta(minutes=5))
    assert "heard again" in house.inbox("operator")[-1].subject.lower()


def test_examining_one_platform_leaves_the_others_in_use(make_house: MakeHouse) -> None:
    house = make_house()
    with house.app.database.read() as session:
        waits = {name: session.get_one(PlatformRow, name).due_at for name in ("x", "facebook")}

    house.app.poller.admit(house.app.stations["x"])

    with house.app.database.read() as session:
        facebook = session.get_one(PlatformRow, "facebook")
        assert facebook.in_use
        assert facebook.due_at == waits["facebook"]
        assert session.get_one(PlatformRow, "x").due_at == house.now


# ── links ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_that_was_used_stays_used_after_a_restore(make_house: MakeHouse, tmp_path: Path) -> None:
    house = make_house("facebook")
    out = tmp_path / "b"
    backup.write(house.app, out)
    ticket = house.app.links.read(house.app.links.token(Purpose.ACKNOWLEDGE, Holder("ceo"), "i", house.now), house.now)
    house.app.database.in_transaction(lambda s: use_up(s, ticket, "acknowledge", house.now))
    house.app.close()

    backup.restore(house.app.settings, out)

    with house.app.database.read() as session:
        assert session.scalar(select(func.count()).select_from(LinkUseRow)) == 1
        assert was_used(session, ticket, "acknowledge")


def test_a_proposal_that_the_ceo_cannot_get_goes_to_the_chair(make_house: MakeHouse) -> None:
    house = make_house()
    app = house.app
    ceo = app.people["ceo"]
    house.mailer.refuse(ceo.email)
    app.database.in_transaction(
        lambda s: app.desk.owe(
            s, "takeover_proposed", MailKind.TAKEOVER, ceo, house.now, key="i1", facts={"reason": "It spreads"}
        )
    )
    house.tick()

    assert any("Takeover is proposed" in subject for subject in house.subjects("chair"))
