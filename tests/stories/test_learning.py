"""What the people say of alerts is measured, makes look-alikes quieter, and changes numbers only when one accepts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from judging import RULES, corpus_organisation
from makers import NOW, a_mention
from sqlalchemy import select

from alerts.model import Severity
from connectors.model import Mention
from monitor import actions, learning
from monitor.app import App
from monitor.keys import make_keys
from monitor.model import Category
from monitor.scoring import Reading, Scorer
from monitor.scoring.combine import Lines
from monitor.scoring.learned import Place
from monitor.scoring.rules import RuleBook, load_rules
from monitor.store import migrate
from monitor.store.tables import AuditRow, FeedbackRow, IncidentRow, MentionRow, TuningRow
from monitor.testing import story_settings

CEO = actions.Actor("ceo", "Rowan Ashdown")
DAY, WEEK = timedelta(days=1), timedelta(days=7)
FILM = "our neighbours say the harbour film night was loud and went on until the small hours"


@dataclass(frozen=True)
class Direction:
    """A vector of unit length, by its angle."""

    angle: float

    def __matmul__(self, other: Direction) -> float:
        return math.cos(self.angle - other.angle)


class Believing:
    """A learned part that believes what its text says: ``belief 55 complaint`` and, where it lies, ``place 10``."""

    name = "scripted"

    def read(self, posts: Sequence[Mention], names: Sequence[str]) -> list[Reading]:
        return [_reading(post.text or "") for post in posts]


def _reading(text: str) -> Reading:
    found = re.search(r"belief (\d+) (complaint|\w+)", text)  # a rule's word may have mended it to its plural
    belief = int(found[1]) / 100 if found else 0.0
    category = {Category(found[2]): 0.9} if found else {}
    place = re.search(r"places? (\d+)", text)
    where = Place(Direction(int(place[1]) / 100), 5, 0.95) if place else None
    return Reading((1 - belief, 0.0, belief, 0.0), category, place=where)


@cache
def _scorer() -> Scorer:
    organisation = corpus_organisation()
    return Scorer(organisation, RuleBook(load_rules(RULES), organisation), Lines(), reader=Believing())


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(story_settings(tmp_path), clock=lambda: NOW, scorer=_scorer(), stations={})
    migrate.upgrade(app.database)
    make_keys(app.settings.state_dir)
    yield app
    app.database.close()


def _hear(app: App, *texts: str) -> list[Severity]:
    """Take posts in; the level at which each was judged."""
    mentions = [a_mention(text, external_id=text[:200], thread=text[:200]) for text in texts]
    judged = app.intake.judge(mentions)
    app.database.in_transaction(lambda s: app.intake.take_in(s, judged, mentions, (), platform="facebook", now=NOW))
    return [entry.assessment.severity for entry in judged if entry.assessment is not None]


def _say(app: App, text: str, reason: str) -> str:
    """Somebody calls the incident of a post no problem."""

    def work(session: object) -> str:
        incident = session.scalars(  # type: ignore[attr-defined]
            select(MentionRow.incident_id).where(MentionRow.text == text)
        ).one()
        return actions.calm(session, app.desk, incident, CEO, reason, NOW)  # type: ignore[arg-type]

    return app.database.in_transaction(work)


def _miss(app: App, text: str) -> None:
    def work(session: object) -> None:
        number = session.scalars(select(MentionRow.id).where(MentionRow.text == text)).one()  # type: ignore[attr-defined]
        actions.missed(session, number, CEO, "it was grave", NOW)  # type: ignore[arg-type]

    app.database.in_transaction(work)


def _numbers(said: str) -> list[str]:
    return re.findall(r"^(\d{4})  ", said, re.MULTILINE)


def test_a_look_alike_of_what_was_called_no_problem_is_quieter_at_once_and_says_why(app: App) -> None:
    assert _hear(app, f"{FILM} belief 60 complaint") == [Severity.ALERT]
    assert _say(app, f"{FILM} belief 60 complaint", "It was our own party") == "closed"

    again = app.intake.judge([a_mention(f"{FILM} belief 60 complaint!!", external_id="2")])[0].assessment

    assert again is not None
    assert again.severity is Severity.WATCH
    assert "It was our own party" in again.signals[-1].sentence


def test_a_look_alike_of_something_severe_stays_as_loud_as_it_was(app: App) -> None:
    text = f"{FILM} belief 60 safeguarding"
    _hear(app, text)
    _say(app, text, "known")

    assert _hear(app, f"{text}!!") == [Severity.ALERT]


def test_a_person_who_takes_the_word_back_is_heard(app: App) -> None:
    text = f"{FILM} belief 60 complaint"
    _hear(app, text)
    _say(app, text, "no problem")
    _miss(app, text)

    assert _hear(app, f"{text}!!") == [Severity.ALERT]


def test_nothing_said_is_nothing_measured(app: App) -> None:
    assert "nothing to measure" in learning.report(app)
    assert "argues for no change" in learning.tune(app, ())


def test_the_report_gives_precision_and_misses_by_category_and_rule(app: App) -> None:
    for text in ("one thing belief 60 complaint", "quite another matter belief 60 finance"):
        _hear(app, text)
    _hear(app, "something small belief 20 complaint")
    _say(app, "one thing belief 60 complaint", "no")
    _miss(app, "something small belief 20 complaint")

    said = learning.report(app)

    assert "Told: 2 incidents, 1 called no problem. Precision 50%." in said
    assert "Should have been told: 1 time." in said
    assert re.search(r"complaint +1 told +1 no problem +Precision 0%", said)
    assert re.search(r"finance +1 told +0 no problem +Precision 100%", said)
    assert re.search(r"reader +2 told +1 no problem", said)


def test_thresholds_are_proposed_with_their_effect_and_changed_by_a_person_alone(app: App) -> None:
    _hear(app, "a harmless thing belief 55 complaint")
    _hear(app, "a grave matter of another kind belief 90 finance")
    _say(app, "a harmless thing belief 55 complaint", "no")
    said = learning.tune(app, ())
    line = next(entry for entry in said.splitlines() if "from a belief of 0.60" in entry)

    assert "1 alert fewer (1 of them were called no problem), 0 more" in said
    with app.database.read() as session:
        assert session.scalars(select(TuningRow)).all() == []
    assert "Accepted" in learning.tune(app, [line[:4]])
    assert _hear(app, "yet another harmless matter belief 56 complaint") == [Severity.WATCH]
    with app.database.read() as session:
        assert "tuning accepted" in session.scalars(select(AuditRow.action)).all()


def test_a_floor_under_the_severe_categories_cannot_be_tuned_away(app: App) -> None:
    _hear(app, "a harmless thing belief 55 complaint")
    _say(app, "a harmless thing belief 55 complaint", "no")
    line = next(entry for entry in learning.tune(app, ()).splitlines() if "0.60" in entry)
    learning.tune(app, [line[:4]])

    levels = _hear(app, "x belief 55 safeguarding", "y belief 55 self_harm", "z belief 55 threat", "w belief 55 press")

    assert levels == [Severity.ALERT, Severity.ALERT, Severity.ALERT, Severity.WATCH]


def test_words_that_harmless_alerts_share_are_proposed_for_the_calm_list(app: App) -> None:
    for number, tail in enumerate(("was splendid", "goes on for ever and nobody sleeps")):
        _hear(app, f"{'ab'[number] * 20} the harbour carnival parade {tail} belief 60 complaint")
        _say(app, f"{'ab'[number] * 20} the harbour carnival parade {tail} belief 60 complaint", "our own parade")
    _hear(app, "a right alert about something else belief 60 finance")
    said = learning.tune(app, ())
    line = next(entry for entry in said.splitlines() if '"harbour carnival parade"' in entry)

    assert "our own parade" in line
    learning.tune(app, [line[:4]])
    assert _hear(app, "so loud, this harbour carnival parade, belief 60 complaint") == [Severity.WATCH]
    assert _hear(app, "at the harbour carnival parade he hit her belief 60 safeguarding") == [Severity.ALERT]


def test_a_lesson_can_be_taken_back(app: App) -> None:
    _hear(app, "a harmless thing belief 55 complaint")
    _say(app, "a harmless thing belief 55 complaint", "no")
    line = next(entry for entry in learning.tune(app, ()).splitlines() if "0.60" in entry)
    learning.tune(app, [line[:4]])
    back = next(entry for entry in learning.tune(app, ()).splitlines() if "Take back" in entry)

    learning.tune(app, [back[:4]])

    assert _hear(app, "yet another matter of a quite different kind belief 55 complaint") == [Severity.ALERT]
    assert "Take back" not in learning.tune(app, ())


def test_a_number_that_is_not_proposed_changes_nothing(app: App) -> None:
    with pytest.raises(actions.NotAllowed, match="There is no proposal 12"):
        learning.tune(app, ["12"])


def test_the_same_proposal_has_the_same_number_each_time(app: App) -> None:
    _hear(app, "a harmless thing belief 55 complaint")
    _say(app, "a harmless thing belief 55 complaint", "no")
    first = _numbers(learning.tune(app, ()))
    _hear(app, "an ordinary post")

    assert first
    assert _numbers(learning.tune(app, ())) == first


def test_the_digest_says_how_often_alerts_were_right(app: App) -> None:
    _hear(app, "one thing belief 60 complaint")
    _say(app, "one thing belief 60 complaint", "no")
    with app.database.read() as session:
        since = session.scalars(select(IncidentRow.opened_at)).one().replace(year=2025)
        lines = learning.weekly_lines(session, since, NOW)

    assert lines == ("1 incident told; people called 1 of them no problem.",)


LOUD = "the kiosk by the old quay was shut again belief 90 complaint place 10"
LIKE_IT = "nobody at the harbour stall this morning either belief 90 complaint place 12"
ELSEWHERE = "the ferry was late and cold and wet belief 90 complaint place 150"


def test_one_press_on_not_a_problem_quietens_what_says_the_same_in_other_words(app: App) -> None:
    assert _hear(app, LOUD) == [Severity.ALERT]
    _say(app, LOUD, "the kiosk is not ours")

    assert _hear(app, LIKE_IT, ELSEWHERE) == [Severity.WATCH, Severity.ALERT]


def test_one_press_on_should_have_told_me_makes_what_says_the_same_an_alert(app: App) -> None:
    quiet = "they moved the hut and nobody asked us belief 10 complaint place 10"
    assert _hear(app, quiet) == [Severity.ROUTINE]
    _miss(app, quiet)

    again = "the hut has gone without a word to anybody belief 10 complaint place 12"
    assert _hear(app, again) == [Severity.ALERT]


def test_a_vector_goes_with_the_words_and_what_stays_is_the_shipped_example_that_was_moved(app: App) -> None:
    _hear(app, LOUD)
    _say(app, LOUD, "the kiosk is not ours")
    _hear(app, "something else entirely")  # the mark is read
    with app.database.write() as session:
        for row in session.scalars(select(MentionRow)):
            row.text = None

    pupil = app.intake.scorer
    learnt = pupil.present()._learnt  # type: ignore[attr-defined]

    assert (learnt.lessons, list(learnt.moved)) == ((), [5])
    assert _hear(app, LIKE_IT) == [Severity.WATCH]
    with app.database.read() as session:
        (mark,) = session.scalars(select(FeedbackRow)).all()
        assert [number for _, number in mark.examples] == [5]


def test_no_vector_is_made_of_a_youtube_post(app: App) -> None:
    _hear(app, LOUD)
    _say(app, LOUD, "the kiosk is not ours")
    with app.database.write() as session:
        for row in session.scalars(select(MentionRow)):
            row.platform = "youtube"

    learnt = app.intake.scorer.present()._learnt  # type: ignore[attr-defined]

    assert learnt.lessons == ()


def test_a_new_model_in_a_running_charity_is_said_in_the_digest_and_a_first_one_is_not(app: App) -> None:
    with app.database.write() as session:
        learning.note_model(session, "first", NOW)
        assert learning.weekly_lines(session, NOW - WEEK, NOW + WEEK) == ()
    _hear(app, "thank you all")
    with app.database.write() as session:
        learning.note_model(session, "first", NOW + DAY)
        learning.note_model(session, "second", NOW + DAY)
        (line,) = learning.weekly_lines(session, NOW, NOW + WEEK)
        assert "newly trained model" in line
        assert learning.weekly_lines(session, NOW + 2 * DAY, NOW + WEEK) == ()
