"""The weekly digest: once per week, whatever happens, and honest about what was not heard."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from makers import a_mention, an_assessment

from alerts.model import MailKind, Severity
from connectors.errors import Unreachable
from monitor import digest
from monitor.model import Category
from monitor.testing import House

MakeHouse = Callable[..., House]
LONDON = ZoneInfo("Europe/London")


def _digests(house: House) -> list[str]:
    return [letter.subject for letter in house.inbox("ceo") if letter.kind is MailKind.DIGEST]


def test_a_digest_comes_every_monday_at_eight_also_when_nothing_was_heard(make_house: MakeHouse) -> None:
    house = make_house()

    house.fast_forward(days=21, step=timedelta(hours=1))

    assert len(_digests(house)) == 3
    moments = [letter.sent_at.astimezone(LONDON) for letter in house.inbox("ceo") if letter.kind is MailKind.DIGEST]
    assert all(moment.weekday() == 0 and moment.hour in (8, 9) for moment in moments)


def test_weeks_missed_whole_are_folded_into_the_next_digest_and_named(make_house: MakeHouse) -> None:
    house = make_house()
    house.fast_forward(days=7, step=timedelta(hours=1))
    assert len(_digests(house)) == 1

    house.now += timedelta(days=21)
    house.tick()

    assert len(_digests(house)) == 2
    text = house.inbox("ceo")[-1].text
    assert "2026-W50" in text
    assert "2026-W51" in text


def test_a_digest_says_what_was_not_heard(make_house: MakeHouse) -> None:
    house = make_house()
    house.fail("x", Unreachable("X could not be reached."))
    house.fast_forward(days=6, step=timedelta(hours=1))

    text = next(letter.text for letter in house.inbox("ceo") if letter.kind is MailKind.DIGEST)

    assert "not heard" in text
    assert "X could not be reached." in text


def test_questions_stand_first_and_youtube_and_linkedin_are_not_quoted(make_house: MakeHouse) -> None:
    house = make_house("facebook", "youtube", "linkedin")
    asked = an_assessment(Severity.ROUTINE, question=True)
    house.say(a_mention("When does the film course open?"), asked)
    house.say(a_mention("Is the marmalade vegan?", platform="youtube", external_id="y"), asked)
    house.say(a_mention("Is the vestibule open?", platform="linkedin", external_id="l"), asked)
    house.fast_forward(days=6, step=timedelta(hours=1))

    text = next(letter.text for letter in house.inbox("ceo") if letter.kind is MailKind.DIGEST)

    assert "When does the film course open?" in text
    assert "marmalade" not in text
    assert "vestibule" not in text


def test_what_a_list_leaves_out_is_counted_platform_by_platform(make_house: MakeHouse) -> None:
    house = make_house("facebook", "youtube")
    asked = an_assessment(Severity.ROUTINE, question=True)
    for number in range(12):
        house.say(a_mention(f"Is room {number} open?", external_id=f"f{number}"), asked)
    for number in range(2):
        house.say(a_mention("Is it open?", platform="youtube", external_id=f"y{number}"), asked)
    house.fast_forward(days=6, step=timedelta(hours=1))

    text = next(letter.text for letter in house.inbox("ceo") if letter.kind is MailKind.DIGEST)

    left_out = next(line for line in text.splitlines() if line.startswith("And more:"))
    assert left_out in {
        "And more: 2 on Facebook and 2 on YouTube.",
        "And more: 3 on Facebook and 1 on YouTube.",
        "And more: 4 on Facebook.",
    }


def test_incidents_are_listed_with_how_fast_they_were_met(make_house: MakeHouse) -> None:
    house = make_house()
    house.say(a_mention("a complaint"), an_assessment(Severity.ALERT, Category.COMPLAINT))
    house.fast_forward(days=6, step=timedelta(hours=1))

    letter = next(letter for letter in house.inbox("ceo") if letter.kind is MailKind.DIGEST)

    assert "told after" in letter.text
    assert letter.picture is not None


def test_every_iso_week_of_ten_years_has_exactly_one_due_moment_at_local_eight(make_house: MakeHouse) -> None:
    house = make_house()
    moment, seen = datetime(2026, 1, 5, tzinfo=UTC), {}
    while moment.year < 2036:
        due = digest.due_before(moment, house.app)
        seen.setdefault(due.week, set()).add(due.at)
        assert due.at <= moment
        moment += timedelta(hours=5)

    assert all(len(moments) == 1 for moments in seen.values())
    local = [at.astimezone(LONDON) for moments in seen.values() for at in moments]
    assert all((at.weekday(), at.hour, at.minute) == (0, 8, 0) for at in local)
    ordered = sorted(at for moments in seen.values() for at in moments)
    assert all(
        timedelta(days=6, hours=22) < b - a < timedelta(days=7, hours=2)
        for a, b in zip(ordered, ordered[1:], strict=False)
    )
