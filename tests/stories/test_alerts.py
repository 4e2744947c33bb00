"""From a post to the inbox: who is told what, when, and how often."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from makers import a_mention, an_assessment
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.model import DeliveryFailed, MailKind, Severity
from connectors.model import Author, Kind
from monitor import actions
from monitor.model import Category
from monitor.store.tables import AlertRow, IncidentRow, MentionRow, QuarantineRow
from monitor.testing import House

MakeHouse = Callable[..., House]
CRISIS = an_assessment(Severity.CRISIS, Category.SAFEGUARDING)
THREAT = an_assessment(Severity.CRISIS, Category.THREAT)
ALERT = an_assessment(Severity.ALERT, Category.COMPLAINT)
MISINFORMATION = an_assessment(Severity.CRISIS, Category.MISINFORMATION)


def _only_incident(house: House) -> IncidentRow:
    with house.app.database.read() as session:
        return session.scalars(select(IncidentRow)).one()


def test_a_crisis_is_in_the_inbox_one_round_after_it_was_posted(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("a disclosure"), CRISIS)

    house.fast_forward(minutes=1)

    assert len(house.inbox("ceo")) == 1
    letter = house.inbox("ceo")[0]
    assert letter.kind is MailKind.ALERT
    assert letter.severity is Severity.CRISIS
    assert house.inbox("chair") == []


def test_a_crisis_that_nobody_acknowledges_is_told_again_and_then_to_the_chair(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("a disclosure"), CRISIS)

    house.fast_forward(minutes=14)
    assert len(house.inbox("ceo")) == 1
    house.fast_forward(minutes=3)
    assert len(house.inbox("ceo")) == 2
    assert house.inbox("chair") == []
    house.fast_forward(minutes=15)
    assert len(house.inbox("chair")) == 1


def test_an_alert_is_told_again_after_an_hour_and_to_the_chair_after_two(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("a complaint"), ALERT)

    house.fast_forward(minutes=59)
    assert len(house.inbox("ceo")) == 1
    house.fast_forward(minutes=4)
    assert len(house.inbox("ceo")) == 2
    house.fast_forward(minutes=60)
    assert len(house.inbox("chair")) == 1
    house.fast_forward(hours=6, step=timedelta(minutes=5))
    assert (len(house.inbox("ceo")), len(house.inbox("chair"))) == (2, 1)


def test_an_alert_of_the_night_is_mailed_at_once_but_its_chain_waits_for_the_morning(make_house: MakeHouse) -> None:
    house = make_house()
    house.fast_forward(hours=9, step=timedelta(minutes=10))  # 23:02 in London
    house.mailer.letters.clear()
    house.say(a_mention("a complaint"), ALERT)

    house.fast_forward(hours=7, step=timedelta(minutes=5))
    assert len(house.inbox("ceo")) == 1
    house.fast_forward(hours=2, step=timedelta(minutes=5))
    assert len(house.inbox("ceo")) == 2


def test_acknowledging_stops_the_reminders(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("a disclosure"), CRISIS)
    house.fast_forward(minutes=1)

    actor = actions.Actor("ceo", "Rowan Ashdown")
    incident = _only_incident(house)
    house.app.database.in_transaction(lambda s: actions.acknowledge(s, incident.id, actor, house.now))
    house.fast_forward(hours=3, step=timedelta(minutes=5))

    assert len(house.inbox("ceo")) == 1
    assert house.inbox("chair") == []


def test_a_refused_address_sends_the_alert_to_the_chair_at_once(make_house: MakeHouse) -> None:
    house = make_house()
    house.mailer.refuse("rowan@tessellateuk.example")
    house.say(a_mention("a disclosure"), CRISIS)

    house.fast_forward(minutes=1)

    assert house.inbox("ceo") == []
    assert [letter.kind for letter in house.inbox("chair")] == [MailKind.ALERT]
    assert any("refused" in letter.text for letter in house.inbox("operator"))


def test_a_ceo_who_is_away_gets_mail_but_the_chair_is_told_at_once(make_house: MakeHouse) -> None:
    house = make_house()
    house.app.database.in_transaction(lambda s: actions.set_away(s, "ceo", True, house.now, by="Kit Marlow"))
    house.say(a_mention("a disclosure"), CRISIS)

    house.fast_forward(minutes=1)

    assert len(house.inbox("chair")) == 1


def test_an_incident_that_names_the_ceo_goes_to_the_chair_and_never_to_the_ceo(make_house: MakeHouse) -> None:
    house = make_house()
    named = an_assessment(Severity.CRISIS, Category.STAFF_CONDUCT, spoken_of=("ceo",))
    house.say(a_mention("it was Rowan Ashdown"), named)

    house.fast_forward(hours=3, step=timedelta(minutes=1))

    assert house.inbox("ceo") == []
    assert house.inbox("chair")
    actor = actions.Actor("ceo", "Rowan Ashdown")
    incident = _only_incident(house)
    with pytest.raises(actions.NotAllowed, match="no incident"):
        house.app.database.in_transaction(lambda s: actions.acknowledge(s, incident.id, actor, house.now))


def test_a_second_complaint_within_the_quiet_time_feeds_the_same_incident(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("a complaint"), ALERT)
    house.fast_forward(minutes=10)
    house.say(a_mention("another complaint entirely"), ALERT)
    house.fast_forward(minutes=10)

    assert _only_incident(house).mentions == 2
    assert len(house.inbox("ceo")) == 1


def test_a_second_disclosure_elsewhere_is_never_absorbed_in_silence(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("a disclosure about one child"), CRISIS)
    house.fast_forward(minutes=5)
    house.say(a_mention("something quite different that happened to somebody else", platform="x"), CRISIS)
    house.fast_forward(minutes=5)

    assert len(house.inbox("ceo")) == 2


def test_a_crisis_that_joins_an_acknowledged_incident_is_told(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("they take money from children"), MISINFORMATION)
    house.fast_forward(minutes=1)
    incident = _only_incident(house)
    actor = actions.Actor("ceo", "Rowan Ashdown")
    house.app.database.in_transaction(lambda s: actions.acknowledge(s, incident.id, actor, house.now))

    house.say(a_mention("a wholly different lie, told elsewhere, by others", platform="x"), MISINFORMATION)
    house.fast_forward(minutes=5)

    assert len(house.inbox("ceo")) == 2


def test_a_storm_of_copies_is_one_incident_told_at_sensible_steps(make_house: MakeHouse) -> None:
    house = make_house()
    for number in range(400):
        writer = Author(id=str(number), name=f"Writer {number}")
        words = "Tessellate UK left my child alone at the station last night, please share this with everybody"
        house.say(
            a_mention(f"{words} {'!' * (number % 3)}", author=writer, platform="x", kind=Kind.MENTION),
            ALERT,
            after=timedelta(seconds=number),
        )
        house.scorer.told[f"{words} {'!' * (number % 3)}"] = ALERT
    house.fast_forward(minutes=10)

    assert _only_incident(house).mentions == 400
    assert len(house.inbox("ceo")) <= 5


def test_many_distinct_incidents_at_once_are_all_told_in_at_most_twelve_mails(make_house: MakeHouse) -> None:
    house = make_house()
    dice = random.Random(5)
    for number in range(60):
        words = " ".join("".join(dice.choices("abcdefghilmnoprstu", k=6)) for _ in range(12))
        house.say(
            a_mention(words, external_id=f"d{number}", thread=f"t{number}"),
            THREAT if number % 2 else CRISIS,
            after=timedelta(seconds=8 * number),
        )
        for other in range(22):  # everybody talks at once
            chatter = a_mention(f"chatter {number} {other}", external_id=f"o{number}-{other}")
            house.say(chatter, after=timedelta(seconds=8 * number))
    house.fast_forward(minutes=10)
    in_ten_minutes = len(house.inbox("ceo"))
    house.fast_forward(minutes=4)

    assert in_ten_minutes <= 12
    told = "\n".join(letter.text for letter in house.inbox("ceo"))
    with house.app.database.read() as session:
        incidents = session.scalars(select(IncidentRow)).all()
        assert len(incidents) == 60
        assert [row.id for row in incidents if row.id not in told] == []
        assert session.scalars(select(AlertRow).where(AlertRow.delivered_at.is_(None))).all() == []


def test_an_outage_of_the_mail_server_delays_alerts_and_loses_none(make_house: MakeHouse) -> None:
    house = make_house()
    house.mailer.fail_next(*[DeliveryFailed("no route to the mail server") for _ in range(500)])
    house.say(a_mention("a complaint"), ALERT)

    house.fast_forward(hours=1, step=timedelta(minutes=1))
    assert house.inbox("ceo") == []
    house.mailer.stop_failing()
    house.fast_forward(hours=1, step=timedelta(minutes=1))

    assert len(house.inbox("ceo")) >= 1


def test_a_mail_whose_answer_was_lost_comes_again_with_the_same_message_id(make_house: MakeHouse) -> None:
    house = make_house()
    house.mailer.fail_next(DeliveryFailed("the line broke", unclear=True))
    house.say(a_mention("a complaint"), ALERT)

    house.fast_forward(minutes=5)

    first, second = house.inbox("ceo")
    assert first.message_id == second.message_id


def test_a_mention_that_breaks_the_scorer_is_set_aside_with_an_alert_and_stops_nobody(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("poison"), None)
    house.say(a_mention("a complaint"), ALERT)

    house.fast_forward(minutes=1)

    with house.app.database.read() as session:
        assert len(session.scalars(select(QuarantineRow)).all()) == 1
    kinds = [letter.subject for letter in house.inbox("ceo")]
    assert len(kinds) == 2
    assert all("poison" not in letter.text for letter in house.inbox("ceo"))


def test_an_edit_that_makes_a_post_grave_alerts_and_a_repeat_does_not_alert_twice(make_house: MakeHouse) -> None:
    house = make_house()
    post = house.say(a_mention("harmless"))
    house.fast_forward(minutes=1)
    assert house.inbox("ceo") == []

    house.edit(post, "a disclosure", CRISIS)
    house.fast_forward(minutes=2)
    house.edit(post, "a disclosure")
    house.fast_forward(minutes=2)

    assert len(house.inbox("ceo")) == 1
    with house.app.database.read() as session:
        row = session.scalars(select(MentionRow)).one()
        assert (row.version, row.severity) == (2, 3)


def test_the_past_is_taken_in_quietly_with_one_summary(make_house: MakeHouse, tmp_path: object) -> None:
    from monitor.testing import a_house

    house = a_house(tmp_path)  # type: ignore[arg-type]
    for number in range(30):
        house.say(a_mention(f"an old complaint {number}", external_id=f"h{number}"), ALERT, after=-timedelta(days=2))
        house.scorer.told[f"an old complaint {number}"] = ALERT
    house.tick()
    house.fast_forward(minutes=5)

    assert [letter.kind for letter in house.inbox("ceo")] == [MailKind.REPORT]
    assert "30" in house.inbox("ceo")[0].text
    house.say(a_mention("a new disclosure"), CRISIS)
    house.fast_forward(minutes=1)
    assert [letter.kind for letter in house.inbox("ceo")] == [MailKind.REPORT, MailKind.ALERT]


def test_a_tip_is_told_at_once_without_the_scorer(make_house: MakeHouse) -> None:
    house = make_house()
    app = house.app
    app.database.in_transaction(
        lambda s: actions.tip(
            s, app.desk, app.keys, words="A volunteer is being threatened", link="", by="Ade", now=house.now
        )
    )
    house.tick()

    assert len(house.inbox("ceo")) == 1
    assert house.inbox("ceo")[0].severity is Severity.ALERT


def test_not_a_problem_closes_an_alert_but_only_quietens_a_safeguarding_one(make_house: MakeHouse) -> None:
    house = make_house()
    actor = actions.Actor("ceo", "Rowan Ashdown")
    house.say(a_mention("a complaint"), ALERT)
    house.fast_forward(minutes=1)
    complaint = _only_incident(house)
    calm = house.app.database.in_transaction(
        lambda s: actions.calm(s, house.app.desk, complaint.id, actor, "known", house.now)
    )
    assert calm == "closed"

    grave = an_assessment(Severity.ALERT, Category.SAFEGUARDING)
    house.say(a_mention("a worry about a child", platform="x"), grave)
    house.fast_forward(minutes=1)
    with house.app.database.read() as session:
        worry = session.scalars(select(IncidentRow).where(IncidentRow.id != complaint.id)).one()
    quiet = house.app.database.in_transaction(
        lambda s: actions.calm(s, house.app.desk, worry.id, actor, "known", house.now)
    )
    house.fast_forward(hours=3, step=timedelta(minutes=5))

    assert quiet == "quiet"
    assert len(house.inbox("ceo")) == 2
    assert len(house.inbox("chair")) == 1


def test_a_mail_that_may_have_arrived_never_comes_again_inside_a_round_up(make_house: MakeHouse) -> None:
    house = make_house()

    def owe(session: Session) -> None:
        for number in range(12):
            house.app.desk.owe_unscored(session, "x", f"e{number}", "https://x.example/1", "ValueError", house.now)
        session.flush()
        owed = session.scalars(select(AlertRow).where(AlertRow.role == "ceo", AlertRow.template == "unscored")).all()
        owed[0].unclear = True  # its line broke after the last dot, and it waits for its next try
        for row in owed[1:]:
            row.retry_at = house.now - timedelta(minutes=1)

    house.app.database.in_transaction(owe)
    house.fast_forward(minutes=1)

    with house.app.database.read() as session:
        rows = session.scalars(select(AlertRow).where(AlertRow.role == "ceo", AlertRow.template == "unscored")).all()
    assert [bool(row.bundle) for row in rows if not row.unclear] == [True] * 11
    assert [row.bundle for row in rows if row.unclear] == [""]
    assert all(row.delivered_at for row in rows)


def test_a_tip_that_names_the_ceo_goes_to_the_chair_instead(make_house: MakeHouse) -> None:
    house = make_house()
    app = house.app
    row = app.database.in_transaction(
        lambda s: actions.tip(
            s, app.desk, app.keys, words="They say rowan  ashdown took money", link="", by="Sol", now=house.now
        )
    )
    house.tick()

    assert app.desk.say_told(row) == "The Chair of trustees is being told now"
    assert house.inbox("ceo") == []
    assert len(house.inbox("chair")) == 1


def _chair_says_it_is_for_the_ceo(house: House, incident_id: str) -> bool:
    chair = actions.Actor("chair", "Siân O’Brien")
    return house.app.database.in_transaction(
        lambda s: actions.give_to_ceo(s, house.app.desk, incident_id, chair, house.now)
    )


def test_an_unclear_crisis_goes_to_the_chair_then_without_words_to_the_operator_and_is_handed_over_by_a_button(
    make_house: MakeHouse,
) -> None:
    house = make_house()
    unclear = an_assessment(Severity.CRISIS, Category.STAFF_CONDUCT, perhaps_of=("ceo",))
    house.say(a_mention("a sentence with quokkafeather in it"), unclear)
    house.fast_forward(minutes=10)
    assert [house.inbox(role) != [] for role in ("chair", "ceo", "operator")] == [True, False, False]

    house.fast_forward(minutes=6)
    (asked,) = house.inbox("operator")
    assert "ring the chair" in asked.subject.lower()
    assert "quokkafeather" not in asked.text
    assert house.inbox("ceo") == []

    incident = _only_incident(house)
    assert _chair_says_it_is_for_the_ceo(house, incident.id)
    house.fast_forward(minutes=1)
    assert len(house.inbox("ceo")) == 1
    assert not _chair_says_it_is_for_the_ceo(house, incident.id)

    before = len(house.inbox("ceo"))
    house.say(a_mention("another one"), unclear)
    house.fast_forward(minutes=1)
    assert _only_incident(house).perhaps_of == []
    assert len(house.inbox("ceo")) >= before


def test_what_speaks_of_the_ceo_for_certain_is_not_handed_to_her(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("certain"), an_assessment(Severity.CRISIS, Category.STAFF_CONDUCT, spoken_of=("ceo",)))
    house.fast_forward(minutes=1)

    with pytest.raises(actions.NotAllowed, match="speaks of the CEO"):
        _chair_says_it_is_for_the_ceo(house, _only_incident(house).id)


def test_the_box_of_a_tip_sends_it_to_the_chair_whatever_its_words(make_house: MakeHouse) -> None:
    house = make_house()
    app = house.app
    app.database.in_transaction(
        lambda s: actions.tip(
            s, app.desk, app.keys, words="It is going on", link="", by="", now=house.now, about_ceo=True
        )
    )
    house.tick()

    assert house.inbox("ceo") == []
    assert len(house.inbox("chair")) == 1
