"""What one mark changes, how far it carries, and what no mark can change."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from alerts.model import Severity
from monitor.model import Assessment, Category
from monitor.scoring.learned import Place
from monitor.scoring.teaching import Lesson, taught

ROUTINE, WATCH, ALERT, CRISIS = Severity


@dataclass(frozen=True)
class Direction:
    """A vector of unit length in a plane, by its angle."""

    angle: float

    def __matmul__(self, other: Direction) -> float:
        return math.cos(self.angle - other.angle)


def at(likeness: float) -> Direction:
    """The direction whose likeness to the post is this."""
    return Direction(math.acos(likeness))


HERE = Place(Direction(0.0))


def lesson(likeness: float, *, missed: bool = False, who: str = "ceo") -> Lesson:
    return Lesson(at(likeness), missed, who, "settled long ago")


def judged(severity: Severity, *categories: Category) -> Assessment:
    return Assessment(severity, categories)


def after(
    severity: Severity, *lessons: Lesson, categories: tuple[Category, ...] = (Category.COMPLAINT,),
    claimed: Severity = ROUTINE, firm: Severity = ROUTINE, place: Place = HERE, moved: dict[int, float] | None = None,
) -> Severity:  # fmt: skip
    return taught(judged(severity, *categories), claimed, firm, place, lessons, moved or {}).severity


def test_without_a_mark_nothing_changes() -> None:
    assert [after(level) for level in Severity] == list(Severity)


@pytest.mark.parametrize(("before", "then"), [(ROUTINE, ALERT), (WATCH, ALERT), (ALERT, ALERT), (CRISIS, CRISIS)])
def test_one_press_on_should_have_told_me_makes_its_like_an_alert(before: Severity, then: Severity) -> None:
    assert after(before, lesson(0.9, missed=True)) is then


@pytest.mark.parametrize(("before", "then"), [(CRISIS, ALERT), (ALERT, WATCH), (WATCH, ROUTINE), (ROUTINE, ROUTINE)])
def test_one_press_on_not_a_problem_lowers_its_like_by_one_level(before: Severity, then: Severity) -> None:
    assert after(before, lesson(0.95)) is then


def test_a_mark_carries_to_neighbours_only() -> None:
    assert after(ALERT, lesson(0.8)) is ALERT
    assert after(ROUTINE, lesson(0.8, missed=True)) is ROUTINE


@pytest.mark.parametrize("category", [Category.SAFEGUARDING, Category.SELF_HARM, Category.THREAT])
def test_one_mark_never_makes_a_severe_claim_routine(category: Category) -> None:
    assert after(WATCH, lesson(0.99), categories=(category,)) is WATCH
    assert after(ALERT, lesson(0.99), categories=(category,)) is WATCH
    assert after(ALERT, lesson(0.88), categories=(category,)) is ALERT  # near enough for other matters only


def test_a_second_person_or_three_marks_may_make_it_routine() -> None:
    severe = (Category.SAFEGUARDING,)
    assert after(WATCH, lesson(0.95), lesson(0.95), categories=severe) is WATCH
    assert after(WATCH, lesson(0.95), lesson(0.95, who="chair"), categories=severe) is ROUTINE
    assert after(WATCH, *[lesson(0.95)] * 3, categories=severe) is ROUTINE


def test_nothing_taught_silences_explicit_danger() -> None:
    marks = [lesson(1.0, who=who) for who in ("ceo", "chair", "operator")] * 10
    assert after(CRISIS, *marks, claimed=CRISIS, firm=CRISIS, categories=(Category.SELF_HARM,)) is CRISIS
    assert after(ALERT, *marks, claimed=ALERT, firm=WATCH, categories=(Category.THREAT,)) is WATCH


def test_a_crisis_that_a_rule_claims_is_not_lowered() -> None:
    assert after(CRISIS, lesson(1.0), claimed=CRISIS) is CRISIS


def test_of_two_marks_the_nearer_counts_and_at_a_draw_the_one_that_tells() -> None:
    assert after(WATCH, lesson(0.99), lesson(0.9, missed=True)) is ROUTINE
    assert after(WATCH, lesson(0.9), lesson(0.99, missed=True)) is ALERT
    assert after(WATCH, lesson(0.95), lesson(0.95, missed=True)) is ALERT


def test_an_example_that_was_moved_carries_on_what_was_taught_when_the_words_are_gone() -> None:
    near, far = Place(Direction(0.0), 7, 0.95), Place(Direction(0.0), 7, 0.5)
    assert after(ALERT, place=near, moved={7: -1.0}) is WATCH
    assert after(ROUTINE, place=near, moved={7: 1.0}) is ALERT
    assert after(ALERT, place=far, moved={7: -1.0}) is ALERT
    assert after(ALERT, place=near, moved={8: -1.0}) is ALERT


def test_what_was_changed_says_why() -> None:
    found = taught(judged(ALERT, Category.COMPLAINT), ROUTINE, ROUTINE, HERE, [lesson(0.95)], {})
    assert found.signals[-1].rule == "taught"
    assert "settled long ago" in found.signals[-1].sentence
