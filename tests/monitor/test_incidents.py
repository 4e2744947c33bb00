"""Which mentions belong together, and that nothing grave is absorbed in silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import NOW, a_mention, an_assessment

from alerts.model import Severity
from monitor.incidents import KEPT_MARKS, absorb, find_home, gravest, matters
from monitor.model import Category, Incident, IncidentState
from monitor.scoring.copies import copy_mark

HOUR = timedelta(hours=1)
SAID = "Tessellate UK left my child alone at the station last night, please share this with everybody"


def _opened(
    text: str = SAID, *categories: Category, severity: Severity = Severity.ALERT, **changes: object
) -> Incident:
    mention = a_mention(text, **{"thread": "post", **changes})
    return absorb(
        None, mention, an_assessment(severity, *categories), copy_mark(text), new_id="i1", new_account=True, now=NOW
    )


def _home(incident: Incident, text: str, *categories: Category, severity: Severity = Severity.ALERT, **changes: object) -> Incident | None:  # fmt: skip
    mention = a_mention(text, **{"external_id": "2", **changes})
    return find_home([incident], mention, an_assessment(severity, *categories), copy_mark(text), quiet_time=HOUR)


def _grown(incident: Incident, text: str = "another", *categories: Category, severity: Severity = Severity.ALERT, **changes: object) -> Incident:  # fmt: skip
    mention = a_mention(text, **{"external_id": "2", **changes})
    assessment = an_assessment(severity, *categories, spoken_of=("ceo",) if "Rowan" in text else ())
    return absorb(incident, mention, assessment, copy_mark(text), new_id="i2", new_account=True, now=NOW)


def test_the_first_mention_opens_an_incident_of_its_own() -> None:
    incident = _opened()

    assert (incident.id, incident.mentions, incident.state) == ("i1", 1, IncidentState.OPEN)


@pytest.mark.parametrize(
    ("text", "changes", "joins"),
    [
        (f"{SAID}!!", {"platform": "x"}, True),
        (f"RT @somebody {SAID} https://short.example/x", {"platform": "x", "posted_at": NOW + timedelta(days=2)}, True),
        (SAID, {"posted_at": NOW + timedelta(days=4)}, False),
        ("a complaint of another kind", {}, True),
        ("a complaint of another kind", {"posted_at": NOW + 2 * HOUR}, False),
        ("a complaint of another kind", {"posted_at": NOW + 2 * HOUR, "parent": "1", "thread": "post"}, True),
        ("a complaint of another kind", {"posted_at": NOW - timedelta(minutes=30)}, True),
    ],
    ids=["copy", "copy days later", "copy too late", "same category", "after the quiet time", "same thread", "older"],
)
def test_copies_threads_and_the_category_hold_an_incident_together(
    text: str, changes: dict[str, object], joins: bool
) -> None:
    assert (_home(_opened(), text, **changes) is not None) is joins


def test_another_category_in_the_same_thread_is_another_incident() -> None:
    assert _home(_opened(), "he touched her", Category.SAFEGUARDING, parent="1", thread="post") is None


@pytest.mark.parametrize("category", [Category.SAFEGUARDING, Category.SELF_HARM, Category.THREAT, Category.SAFETY])
def test_a_second_crisis_that_may_be_about_another_person_is_never_absorbed_by_category(category: Category) -> None:
    first = _opened(SAID, category, severity=Severity.CRISIS)

    assert _home(first, "something quite different", category, severity=Severity.CRISIS) is None


def test_a_closed_incident_takes_in_copies_only() -> None:
    closed = replace(_opened(), state=IncidentState.CLOSED)

    assert _home(closed, "a complaint of another kind") is None
    assert _home(closed, SAID) is closed


def test_a_mention_without_words_is_a_copy_of_nothing() -> None:
    assert _home(_opened(""), "", posted_at=NOW + 2 * HOUR) is None


def test_a_graver_mention_raises_its_incident_and_opens_it_again() -> None:
    acknowledged = replace(_opened(), state=IncidentState.ACKNOWLEDGED)

    after = _grown(acknowledged, severity=Severity.CRISIS)

    assert (after.severity, after.state) == (Severity.CRISIS, IncidentState.OPEN)


def test_a_milder_mention_lowers_nothing() -> None:
    crisis = replace(_opened(severity=Severity.CRISIS), state=IncidentState.ACKNOWLEDGED)

    after = _grown(crisis, severity=Severity.ALERT)

    assert (after.severity, after.state) == (Severity.CRISIS, IncidentState.ACKNOWLEDGED)


def test_an_incident_is_named_after_the_gravest_thing_in_it_whichever_came_first() -> None:
    grumble = _opened(SAID, Category.COMPLAINT)
    disclosure = _opened(SAID, Category.SAFEGUARDING)

    assert _grown(grumble, "he touched her", Category.SAFEGUARDING).category is Category.SAFEGUARDING
    assert _grown(disclosure, "bad", Category.COMPLAINT, severity=Severity.CRISIS).category is Category.SAFEGUARDING


def test_an_incident_that_once_named_the_ceo_does_so_for_good() -> None:
    named = _grown(_opened(), "it was Rowan Ashdown")

    assert named.spoken_of == ("ceo",)
    assert _grown(named, "more of it").spoken_of == ("ceo",)


@given(st.lists(st.sampled_from(list(Category)), min_size=1))
def test_the_gravest_category_is_one_of_them_and_the_order_does_not_matter(categories: list[Category]) -> None:
    assert gravest(categories) in categories
    assert gravest(categories) is gravest(reversed(categories))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Severity.ALERT, Severity.CRISIS]), st.sampled_from(list(Category)), st.integers(0, 99)
        ),
        max_size=80,
    )
)
def test_an_incident_only_ever_grows(mentions: list[tuple[Severity, Category, int]]) -> None:
    incident = _opened()
    for severity, category, number in mentions:
        after = _grown(incident, f"words number {number} of it", category, severity=severity, thread=str(number))
        assert after.severity >= incident.severity
        assert after.mentions == incident.mentions + 1
        assert after.last_seen_at >= incident.last_seen_at
        assert len(after.threads) <= KEPT_MARKS
        assert len(after.copies) <= KEPT_MARKS
        incident = after


@pytest.mark.parametrize(("severity", "counts"), [*zip(Severity, (False, False, True, True), strict=True)])
def test_what_matters_is_an_alert_or_worse(severity: Severity, counts: bool) -> None:
    assert matters(an_assessment(severity)) is counts
