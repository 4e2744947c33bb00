"""Whether we can hear: deafness is told in plain words to the right person, and quiet is never assumed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from makers import a_mention, an_assessment
from sqlalchemy import select

from alerts.model import MailKind, Severity
from connectors.errors import CredentialsRejected, RateLimited, Unreachable
from connectors.model import Coverage, Fault
from monitor import forgetting, hearing
from monitor.intake import mark_gone
from monitor.model import Category
from monitor.store.tables import DeafRow, MentionRow, PlatformRow
from monitor.testing import House, a_house

MakeHouse = Callable[..., House]
ALERT = an_assessment(Severity.ALERT, Category.COMPLAINT)
DISCLOSURE = an_assessment(Severity.CRISIS, Category.SAFEGUARDING)


def _coverage(house: House) -> dict[str, tuple[bool, str]]:
    with house.app.database.read() as session:
        lines = hearing.coverage_lines(session, house.now, house.app.settings.zone)
        return {line.platform: (line.deaf, line.text) for line in lines}


def test_a_short_outage_is_nobodys_business(make_house: MakeHouse) -> None:
    house = make_house()
    house.fail("x", Unreachable("X could not be reached."))
    house.fast_forward(minutes=20)
    house.fail("x", None)
    house.fast_forward(minutes=20)

    assert house.mailer.letters == []


def test_an_outage_beyond_the_limit_is_told_to_the_operator_and_when_it_lasts_to_the_ceo(
    make_house: MakeHouse,
) -> None:
    house = make_house()
    house.fail("x", Unreachable("X could not be reached."))

    house.fast_forward(minutes=50)
    assert [letter.kind for letter in house.inbox("operator")] == [MailKind.DEAF]
    assert house.inbox("ceo") == []
    house.fast_forward(hours=3, step=timedelta(minutes=1))

    assert [letter.kind for letter in house.inbox("ceo")] == [MailKind.DEAF]
    assert len(house.inbox("operator")) == 1


def test_a_refused_token_is_told_to_the_operator_at_once_in_plain_words(make_house: MakeHouse) -> None:
    house = make_house()
    house.fail("x", CredentialsRejected("X does not accept the token.", "Make a new one in the developer console."))

    house.fast_forward(minutes=3)

    letter = house.inbox("operator")[0]
    assert "X does not accept the token." in letter.text
    assert "Make a new one in the developer console." in letter.text


def test_an_outage_soon_after_the_token_was_mended_is_told_too(make_house: MakeHouse) -> None:
    house = make_house()
    house.fail("x", CredentialsRejected("X does not accept the token."))
    house.fast_forward(minutes=3)
    house.fail("x", None)
    house.fast_forward(minutes=1)
    house.fail("x", Unreachable("X could not be reached."))

    house.fast_forward(minutes=50)

    told = [letter.text for letter in house.inbox("operator")]
    assert len(told) == 2
    assert "X could not be reached." in told[1]


def test_a_missing_permission_after_a_refused_token_is_told_at_once_as_another_fault(make_house: MakeHouse) -> None:
    house = make_house()
    house.fail("x", CredentialsRejected("X does not accept the token."))
    house.fast_forward(minutes=3)
    house.fail("x", CredentialsRejected("X says that a permission is missing."))

    house.fast_forward(minutes=30)

    told = [letter.text for letter in house.inbox("operator")]
    assert len(told) == 2
    assert "a permission is missing" in told[1]


def test_a_block_of_a_day_is_told_at_its_first_refusal(make_house: MakeHouse) -> None:
    house = make_house()
    house.fail("x", CredentialsRejected("X has blocked our calls.", retry_at=house.now + timedelta(hours=24)))

    house.fast_forward(minutes=2)

    assert len(house.inbox("operator")) == 1


def test_of_a_part_that_is_not_heard_no_more_is_said_than_is_true(make_house: MakeHouse) -> None:
    house = make_house()
    fault = Fault("videos by others", "Search rests until tomorrow.", "Nothing is broken.")
    house.cover("x", Coverage(house.now, faults=(fault,)))

    house.fast_forward(minutes=3)

    letter = house.inbox("operator")[0]
    assert letter.subject == "NOT HEARD: Earshot cannot hear a part of X"
    assert "X: videos by others" in letter.text
    assert "The rest of the channel is heard as usual." in letter.text
    assert "nothing from there" not in letter.text


def test_one_deaf_platform_does_not_stop_the_others(make_house: MakeHouse) -> None:
    house = make_house()
    house.fail("x", CredentialsRejected("X does not accept the token."))
    house.say(a_mention("a complaint", platform="facebook"), ALERT)

    house.fast_forward(minutes=2)

    assert MailKind.ALERT in [letter.kind for letter in house.inbox("ceo")]


def test_hearing_again_is_told_to_whom_deafness_was_told_and_nothing_is_lost(make_house: MakeHouse) -> None:
    house = make_house()
    house.fail("x", Unreachable("X could not be reached."))
    house.fast_forward(minutes=50)
    house.say(a_mention("said while we were deaf", platform="x"), ALERT)
    house.fast_forward(minutes=10)
    house.fail("x", None)
    house.fast_forward(minutes=10)

    assert [letter.kind for letter in house.inbox("operator")] == [MailKind.DEAF, MailKind.DEAF]
    assert [letter.kind for letter in house.inbox("ceo")] == [MailKind.ALERT]
    with house.app.database.read() as session:
        deaf = session.scalars(select(DeafRow)).one()
        assert deaf.ended_at is not None


def test_a_mail_about_little_says_how_far_it_was_heard(make_house: MakeHouse) -> None:
    house = make_house()
    house.fail("x", Unreachable("X could not be reached."))
    house.say(a_mention("a complaint", platform="facebook"), ALERT)

    house.fast_forward(minutes=2)

    text = house.inbox("ceo")[0].text
    assert "X: not heard since" in text
    assert "Facebook: heard until" in text


def test_a_canary_that_does_not_come_back_is_deafness_although_every_answer_is_a_success(
    make_house: MakeHouse,
) -> None:
    house = make_house()
    house.cover("x", Coverage(suspect="Our own newest post does not come back in the search."))

    house.fast_forward(minutes=50)

    assert [letter.kind for letter in house.inbox("operator")] == [MailKind.DEAF]
    deaf, text = _coverage(house)["X"]
    assert deaf
    assert "in doubt since" in text


def test_answers_without_anything_at_all_for_a_day_are_told(make_house: MakeHouse) -> None:
    house = make_house()

    house.fast_forward(hours=25, step=timedelta(minutes=10))

    told = [letter.text for letter in house.inbox("operator")]
    assert len(told) == 2
    assert all("nothing at all" in text for text in told)


def test_a_rate_limit_is_obeyed_and_no_alarm_while_it_is_short(make_house: MakeHouse) -> None:
    house = make_house()
    house.fail("x", RateLimited("X asks to wait.", retry_at=house.now + timedelta(minutes=10)))
    house.fast_forward(minutes=2)
    with house.app.database.read() as session:
        row = session.get_one(PlatformRow, "x")
        assert row.due_at >= house.now + timedelta(minutes=7)
    house.fail("x", None)
    house.fast_forward(minutes=12)

    assert house.mailer.letters == []


def test_a_pause_that_is_sure_to_outlast_the_limit_is_told_at_once(make_house: MakeHouse) -> None:
    house = make_house()
    billing = "Look into billing in the developer console."
    house.fail("x", RateLimited("The credits are used up.", billing, retry_at=house.now + timedelta(hours=1)))

    house.fast_forward(minutes=3)
    letters = house.inbox("operator")
    house.fast_forward(minutes=50)

    assert [letter.kind for letter in letters] == [MailKind.DEAF]
    assert billing in letters[0].text
    assert len(house.inbox("operator")) == 1  # neither again nor "heard again" as the pause draws to its end


def test_a_restart_keeps_to_the_platforms_word_but_looks_anew_at_our_own_allowance(make_house: MakeHouse) -> None:
    house = make_house("x", "youtube")
    until = house.now + timedelta(days=3)
    house.fail("x", RateLimited("X asks to wait.", code="rate-limit", retry_at=until))
    house.fail("youtube", RateLimited("The allowance is used up.", code="allowance", retry_at=until))
    house.fast_forward(minutes=3)

    house.app.poller.prepare(house.app.stations)

    with house.app.database.read() as session:
        assert session.get_one(PlatformRow, "x").due_at == until
        assert session.get_one(PlatformRow, "youtube").due_at <= house.now


def test_who_knows_of_an_outage_is_told_all_the_same_when_the_token_is_refused_meanwhile(
    make_house: MakeHouse,
) -> None:
    house = make_house()
    house.fail("x", Unreachable("X could not be reached."))
    house.fast_forward(minutes=50)
    house.fail("x", CredentialsRejected("X does not accept the token.", "Make a new one in the developer console."))
    house.fast_forward(minutes=50)

    first, second = (letter.text for letter in house.inbox("operator"))
    assert "could not be reached" in first
    assert "Make a new one" in second


def test_a_pause_right_after_an_outage_is_not_called_hearing_again(make_house: MakeHouse) -> None:
    house = make_house()
    house.fail("x", Unreachable("X could not be reached."))
    house.fast_forward(minutes=50)
    house.fail("x", None)
    house.fast_forward(minutes=2)
    house.fail("x", RateLimited("X asks to wait.", retry_at=house.now + timedelta(minutes=10)))
    house.fast_forward(minutes=8)

    assert [letter.subject for letter in house.inbox("operator") if "again" in letter.subject.lower()] == []


def test_a_token_that_ends_is_announced_four_times(make_house: MakeHouse) -> None:
    house = make_house()

    def set_end(session: object) -> None:
        row = session.get_one(PlatformRow, "x")  # type: ignore[attr-defined]
        row.token_ends_at = house.now + timedelta(days=20)

    house.app.database.in_transaction(set_end)
    for _ in range(21):
        house.say(a_mention("chatter", platform="x", external_id=f"c{house.now.isoformat()}"))
        house.say(a_mention("chatter", platform="facebook", external_id=f"d{house.now.isoformat()}"))
        house.fast_forward(days=1, step=timedelta(hours=6))

    told = [letter for letter in house.inbox("operator") if "token" in letter.text.lower()]
    assert len(told) == 4


def test_history_is_taken_in_quietly_but_grave_words_edited_into_it_later_are_told(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    old = house.say(a_mention("long ago"), DISCLOSURE, after=timedelta(days=-1))
    harmless = house.say(a_mention("thank you"), after=timedelta(days=-1))
    house.fast_forward(minutes=5)
    assert [letter.kind for letter in house.inbox("ceo")] == [MailKind.REPORT]

    house.edit(harmless, "he touched her", DISCLOSURE)
    house.fast_forward(minutes=2)

    assert [letter.kind for letter in house.inbox("ceo")] == [MailKind.REPORT, MailKind.ALERT]
    with house.app.database.read() as session:
        rows = {row.external_id: row.history for row in session.scalars(select(MentionRow))}
    assert rows == {old.external_id: True, harmless.external_id: False}


def test_what_was_said_while_a_platform_refused_us_from_the_first_start_is_news(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    house.fail("x", CredentialsRejected("X does not accept the token.", "Make a new one."))
    long_ago = house.say(a_mention("long ago", platform="x"), DISCLOSURE, after=timedelta(days=-1))
    house.fast_forward(minutes=60)
    meanwhile = house.say(a_mention("he touched her", platform="x"), DISCLOSURE)
    house.fast_forward(minutes=60)

    house.fail("x", None)
    house.app.poller.prepare(house.app.stations)  # the operator mends the token and starts anew
    house.fast_forward(minutes=5)

    with house.app.database.read() as session:
        rows = {row.external_id: row.history for row in session.scalars(select(MentionRow))}
    assert rows == {long_ago.external_id: True, meanwhile.external_id: False}
    assert MailKind.ALERT in [letter.kind for letter in house.inbox("ceo")]


def test_a_platform_that_comes_back_into_the_settings_unheard_begins_anew(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    house.fail("x", CredentialsRejected("X does not accept the token.", "Make a new one."))
    house.fast_forward(minutes=10)
    house.app.poller.prepare({})
    house.now += timedelta(days=30)
    while_out = house.say(a_mention("he touched her", platform="x"), DISCLOSURE, after=timedelta(days=-1))

    house.app.poller.prepare(house.app.stations)
    house.fail("x", None)
    house.fast_forward(minutes=5)

    with house.app.database.read() as session:
        rows = {row.external_id: row.history for row in session.scalars(select(MentionRow))}
    assert rows == {while_out.external_id: True}


def test_the_summary_of_the_first_run_does_not_come_again_a_year_later(make_house: MakeHouse) -> None:
    house = make_house()
    house.now += timedelta(days=400)
    forgetting.forget(house.app, house.now)

    house.tick()

    assert [subject for subject in house.subjects("ceo") if "FIRST RUN" in subject] == []


def test_a_reply_is_judged_with_the_words_that_it_answers(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("He touched me", external_id="c1"))
    house.fast_forward(minutes=3)
    stored = a_mention("me too", external_id="c2", parent="c1")
    beside = a_mention("and me", external_id="c3", parent="c2")
    elsewhere = a_mention("same", external_id="c4", parent="never heard")
    own = a_mention("yes", external_id="c5", parent="c1", parent_text="as the platform showed it")

    found = house.app.intake.unknown(house.app.database, [stored, beside, elsewhere, own])

    answered = {mention.text: mention.parent_text for mention in found}
    assert answered == {"me too": "He touched me", "and me": "me too", "same": None, "yes": "as the platform showed it"}


def test_words_that_were_forgotten_are_not_read_beside_a_reply(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("He touched me", external_id="c1"))
    house.fast_forward(minutes=3)
    with house.app.database.write() as session:
        mark_gone(session, "facebook", ["c1"])

    (found,) = house.app.intake.unknown(house.app.database, [a_mention("me too", external_id="c2", parent="c1")])

    assert found.parent_text is None
