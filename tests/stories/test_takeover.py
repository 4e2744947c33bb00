"""CEO takeover: begun, watched, reminded of, ended; and when it may begin by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from makers import a_mention, an_assessment
from sqlalchemy import select

from alerts.model import Letter, MailKind, Refusal, Severity, Stage
from alerts.takeover import Refused, State
from connectors.model import Author, Kind
from monitor import actions, registers, takeovers
from monitor.model import Category
from monitor.posters import posters_of
from monitor.store.tables import IncidentRow
from monitor.testing import PEOPLE, House

MakeHouse = Callable[..., House]
CRISIS = an_assessment(Severity.CRISIS, Category.MISINFORMATION)
HACKED = an_assessment(Severity.CRISIS, Category.ACCOUNT_COMPROMISE)
BY_ITSELF = {"takeover": {"begin_by_itself": "crisis"}}


def _begin(house: House, reason: str = "A leaked document") -> bool:
    app = house.app
    return app.database.in_transaction(
        lambda s: takeovers.begin(s, app.desk, by="Rowan Ashdown", reason=reason, now=house.now)
    )


def _end(house: House) -> bool:
    app = house.app
    return app.database.in_transaction(
        lambda s: takeovers.end(s, app.desk, by="Rowan Ashdown", reason="Settled", now=house.now)
    )


def _state(house: House) -> State:
    with house.app.database.read() as session:
        return takeovers.current(session).state


def test_nobody_begins_takeover_without_a_reason(make_house: MakeHouse) -> None:
    house = make_house()

    with pytest.raises(Refused, match="reason"):
        _begin(house, reason="  ")

    assert _state(house) is State.NORMAL


def test_beginning_tells_every_poster_the_ceo_and_the_chair(make_house: MakeHouse) -> None:
    house = make_house()

    assert _begin(house)
    house.tick()

    assert [letter.kind for letter in house.inbox("poster")] == [MailKind.TAKEOVER]
    assert len(house.inbox("ceo")) == 1
    assert len(house.inbox("chair")) == 1


def test_beginning_twice_is_beginning_once(make_house: MakeHouse) -> None:
    house = make_house()

    assert _begin(house)
    assert not _begin(house)
    house.tick()

    assert len(house.inbox("poster")) == 1


def test_an_own_post_during_takeover_is_a_breach_within_one_poll(make_house: MakeHouse) -> None:
    house = make_house()
    _begin(house)
    house.tick()
    house.mailer.letters.clear()
    house.say(a_mention("Big smiles tonight", kind=Kind.OWN_POST))

    house.fast_forward(minutes=1)

    assert MailKind.BREACH in [letter.kind for letter in house.inbox("ceo")]


def test_an_own_post_made_before_the_takeover_is_no_breach(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("An hour ago", kind=Kind.OWN_POST), after=-timedelta(hours=1))
    _begin(house)

    house.fast_forward(minutes=2)

    assert MailKind.BREACH not in [letter.kind for letter in house.inbox("ceo")]


def test_the_holder_is_reminded_every_day_until_it_ends(make_house: MakeHouse) -> None:
    house = make_house()
    _begin(house)

    house.fast_forward(days=3, hours=1, step=timedelta(hours=1))
    reminders = [letter for letter in house.inbox("ceo") if letter.kind is MailKind.TAKEOVER]

    assert len(reminders) == 1 + 3


def test_ending_tells_everybody_and_reports_what_the_accounts_did(make_house: MakeHouse) -> None:
    house = make_house()
    _begin(house)
    house.say(a_mention("A forgotten scheduled post", kind=Kind.OWN_POST, platform="x"))
    house.fast_forward(minutes=5)
    house.mailer.letters.clear()

    assert _end(house)
    assert not _end(house)
    house.tick()

    assert [letter.kind for letter in house.inbox("poster")] == [MailKind.TAKEOVER]
    kinds = [letter.kind for letter in house.inbox("ceo")]
    assert sorted(kinds) == [MailKind.REPORT, MailKind.TAKEOVER]
    assert _state(house) is State.NORMAL


def test_a_crisis_proposes_takeover_and_begins_none(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("a grave lie"), CRISIS)

    house.fast_forward(hours=3, step=timedelta(minutes=1))

    assert _state(house) is State.PROPOSED
    assert house.inbox("poster") == []


def test_one_account_alone_never_begins_it(make_house: MakeHouse) -> None:
    house = make_house(**BY_ITSELF)
    for number in range(6):
        platform = "x" if number % 2 else "facebook"
        mention = a_mention(
            "a grave lie about us", external_id=f"n{number}", platform=platform, author=Author(id="one", name="One")
        )
        house.say(mention, CRISIS)

    house.fast_forward(minutes=10)

    assert _state(house) is State.PROPOSED


def test_three_accounts_on_two_platforms_begin_it_where_so_configured_and_it_ends_after_twelve_hours(
    make_house: MakeHouse,
) -> None:
    house = make_house(**BY_ITSELF)
    for number in range(3):
        platform = "x" if number % 2 else "facebook"
        mention = a_mention(
            "a grave lie about us", external_id=f"n{number}", platform=platform, author=Author(id=f"a{number}")
        )
        house.say(mention, CRISIS)

    house.fast_forward(minutes=2)
    assert _state(house) is State.ACTIVE
    assert "by itself" in house.inbox("poster")[0].text
    house.fast_forward(hours=12, minutes=1, step=timedelta(minutes=20))

    assert _state(house) is State.NORMAL


def test_a_person_who_confirms_makes_it_last(make_house: MakeHouse) -> None:
    house = make_house(**BY_ITSELF)
    house.say(a_mention("lol owned, free crypto", kind=Kind.OWN_POST), HACKED)
    house.fast_forward(minutes=2)
    assert _state(house) is State.ACTIVE

    house.app.database.in_transaction(lambda s: takeovers.confirm(s, by="Rowan Ashdown", now=house.now))
    house.fast_forward(hours=14, step=timedelta(minutes=20))

    assert _state(house) is State.ACTIVE


def test_a_crisis_that_nobody_answers_for_an_hour_begins_it_where_so_configured(make_house: MakeHouse) -> None:
    house = make_house(**BY_ITSELF)
    house.say(a_mention("a grave lie"), CRISIS)

    house.fast_forward(minutes=58)
    assert _state(house) is State.PROPOSED
    house.fast_forward(minutes=5)

    assert _state(house) is State.ACTIVE


def test_a_takeover_survives_a_restart(make_house: MakeHouse) -> None:
    from monitor.app import App

    house = make_house()
    _begin(house)

    again = App(house.app.settings, clock=lambda: house.now, stations={})
    with again.database.read() as session:
        assert takeovers.current(session).is_active
    again.close()


def test_standing_down_reports_the_time_in_which_everything_was_locked(make_house: MakeHouse) -> None:
    house = make_house()
    _begin(house)
    house.say(a_mention("A forgotten scheduled post", kind=Kind.OWN_POST, platform="x"))
    house.fast_forward(hours=2, step=timedelta(minutes=10))
    house.mailer.letters.clear()

    app = house.app
    app.database.in_transaction(
        lambda s: takeovers.end(s, app.desk, by="Rowan Ashdown", reason="Calm", now=house.now, on_hold="The festival")
    )
    house.fast_forward(minutes=5)
    _end(house)
    house.tick()

    reports = [letter for letter in house.inbox("ceo") if letter.kind is MailKind.REPORT]
    assert len(reports) == 1
    assert "during the takeover of 2 hours" in reports[0].subject
    assert "1 post of ours, 1 of them not allowed" in reports[0].text
    assert "Standing down since" in house.inbox("poster")[-1].text


def test_it_may_go_to_and_fro_between_ceo_and_chair_and_both_hear_of_each_turn(make_house: MakeHouse) -> None:
    house = make_house()
    app = house.app
    _begin(house)
    house.tick()
    house.mailer.letters.clear()

    for by, to in (("Rowan", "chair"), ("Imogen", "ceo"), ("Rowan", "chair")):
        house.fast_forward(minutes=61, step=timedelta(minutes=61))  # within an hour one's own turns are told once
        app.database.in_transaction(
            lambda s, by=by, to=to: takeovers.hand_over(s, app.desk, by=by, to=to, now=house.now)  # type: ignore[misc]
        )
    house.fast_forward(minutes=1)

    assert len(house.inbox("ceo")) == len(house.inbox("chair")) == 3
    told = [letter.subject for letter in house.inbox("poster")]
    assert len(told) == 3
    assert all("speaks for us now; please still do not post" in subject for subject in told)


def test_the_ledger_names_who_let_others_post_and_still_knows_who_began_it(make_house: MakeHouse) -> None:
    house = make_house()
    _begin(house)

    house.app.database.in_transaction(
        lambda s: takeovers.allow(s, house.app.desk, by="Imogen Vale", names=(), platforms=("x",), now=house.now)
    )

    with house.app.database.read() as session:
        assert takeovers.history(session)[0].by == "Imogen Vale"
        assert takeovers.current(session).by == "Rowan Ashdown"


def test_whoever_gets_an_exception_hears_of_it_and_hears_when_it_is_taken_back(make_house: MakeHouse) -> None:
    house = make_house()
    app = house.app
    poster = app.desk.posters[0]
    _begin(house)
    house.tick()
    house.mailer.letters.clear()

    for names, platforms in (((poster.name,), ("x",)), ((poster.name,), ("x",)), ((), ())):
        house.fast_forward(minutes=1)
        app.database.in_transaction(
            lambda s, names=names, platforms=platforms: takeovers.allow(  # type: ignore[misc]
                s, app.desk, by="Rowan", names=names, platforms=platforms, now=house.now
            )
        )
    house.fast_forward(minutes=1)

    told = house.inbox("poster")
    assert ["You may post on X, and nowhere else" in letter.subject for letter in told] == [True, False]
    assert "Please do not post until further notice" in told[1].subject
    assert "Show the CEO the words" in told[0].text
    assert len(house.mailer.letters) == len(told)


def test_the_hour_without_an_answer_is_counted_from_the_moment_at_which_it_became_a_crisis(
    make_house: MakeHouse,
) -> None:
    house = make_house(**BY_ITSELF)
    first = house.say(a_mention("a complaint"), an_assessment(Severity.ALERT, Category.MISINFORMATION))
    house.fast_forward(minutes=55)
    house.say(a_mention("a grave lie", parent=first.external_id), CRISIS)

    house.fast_forward(minutes=30)
    assert _state(house) is State.PROPOSED
    house.fast_forward(minutes=32)

    assert _state(house) is State.ACTIVE


def test_posters_are_sent_to_the_chair_where_the_chair_holds_it(make_house: MakeHouse) -> None:
    house = make_house()
    app = house.app
    app.database.in_transaction(
        lambda s: takeovers.begin(s, app.desk, by="Imogen Vale", reason="A claim", now=house.now, role="chair")
    )
    house.tick()

    text = house.inbox("poster")[0].text
    assert "Who speaks: Imogen Vale (Chair of trustees)" in text
    assert "messages to the Chair of trustees" in text
    assert "to the CEO" not in text


def test_begun_and_a_day_later_the_holder_is_asked_who_must_be_told(make_house: MakeHouse) -> None:
    house = make_house()
    app = house.app
    house.say(a_mention("a grave lie"), CRISIS)
    house.fast_forward(minutes=1)
    with app.database.read() as session:
        incident = session.scalars(select(IncidentRow.id)).one()
    chair = actions.Actor("chair", "Imogen Vale")
    app.database.in_transaction(
        lambda s: takeovers.begin(s, app.desk, by="Rowan", reason="A lie", now=house.now, incident=incident)
    )
    app.database.in_transaction(lambda s: registers.answer(s, incident, "insurer", "told", "", chair, house.now))
    house.fast_forward(hours=25, step=timedelta(hours=1))

    asked = [letter.text for letter in house.inbox("ceo") if "NOT DECIDED YET" in letter.text]
    assert len(asked) == 2
    assert all("- Children's services (LADO)" in text for text in asked)
    assert "- The insurer" not in asked[-1]


def test_what_stays_on_hold_is_not_forgotten(make_house: MakeHouse) -> None:
    house = make_house()
    app = house.app
    _begin(house)
    app.database.in_transaction(
        lambda s: takeovers.end(s, app.desk, by="Rowan Ashdown", reason="Calm", now=house.now, on_hold="The festival")
    )
    house.fast_forward(days=15, step=timedelta(hours=6))

    told = [letter for letter in house.inbox("ceo") if "Something is on hold for" in letter.subject]
    assert [letter.subject[-10:] for letter in told] == ["7 days now", "4 days now"]
    assert "Stays on hold: The festival" in told[0].text
    assert not any("Takeover has lasted" in subject for subject in house.subjects("ceo"))


def _poster_is_refused(house: House) -> list[Letter]:
    house.mailer.refuse(PEOPLE["poster"])
    app = house.app
    app.database.in_transaction(
        lambda s: takeovers.begin(s, app.desk, by="Rowan Ashdown", reason="x", now=house.now, role="ceo")
    )
    house.fast_forward(minutes=1)
    return [letter for letter in house.mailer.letters if "has not been told" in letter.subject]


def test_ceo_and_chair_hear_at_once_of_a_poster_whose_mail_is_refused_for_good(make_house: MakeHouse) -> None:
    house = make_house("x")

    letters = _poster_is_refused(house)

    assert sorted(letter.recipient_address for letter in letters) == sorted([PEOPLE["ceo"], PEOPLE["chair"]])
    assert all("Ring them now" in letter.text and "Ade Lowe" in letter.text for letter in letters)
    house.fast_forward(hours=8, step=timedelta(minutes=30))
    assert len([one for one in house.mailer.letters if "has not been told" in one.subject]) == 2


def test_no_mail_says_that_posters_were_told_while_one_was_not(make_house: MakeHouse) -> None:
    house = make_house("x")
    _poster_is_refused(house)

    assert not any("posters have been told" in letter.text for letter in house.mailer.letters)
    with house.app.database.read() as session:
        since = takeovers.begun_at(session)
        assert since is not None
        assert "Ade Lowe has not been told" in posters_of(session, since.isoformat()).sentence

    house.mailer.accept()
    house.fast_forward(hours=8, step=timedelta(minutes=30))

    with house.app.database.read() as session:
        assert posters_of(session, since.isoformat()).sentence == "The posters have been told."


def test_nobody_is_asked_to_ring_a_poster_about_a_takeover_that_is_over(make_house: MakeHouse) -> None:
    house = make_house("x")
    house.mailer.refuse(PEOPLE["poster"], Refusal(Stage.RECIPIENT, 451, "", "try later"))
    app = house.app
    app.database.in_transaction(
        lambda s: takeovers.begin(s, app.desk, by="Rowan Ashdown", reason="x", now=house.now, role="ceo")
    )
    house.tick()
    app.database.in_transaction(
        lambda s: takeovers.end(s, app.desk, by="Rowan Ashdown", reason="over", now=house.now, role="ceo")
    )

    house.fast_forward(hours=1, step=timedelta(minutes=5))

    assert not any("has not been told" in letter.subject for letter in house.mailer.letters)
