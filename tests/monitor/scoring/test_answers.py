"""A reply is judged by what it adds to the words that it answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from judging import by_rules
from makers import a_mention

from connectors.model import Kind
from monitor.scoring.combine import Lines, what_it_adds
from monitor.scoring.learned import Reading

LINES = Lines(answer=0.3, answer_middle=0.5)
GRAVE, CALM = Reading((0.02, 0.03, 0.15, 0.8), {}), Reading((0.9, 0.06, 0.03, 0.01), {})
IN_BETWEEN = Reading((0.4, 0.2, 0.1, 0.3), {})


def belief(reading: Reading) -> float:
    return reading.levels[2] + reading.levels[3]


def test_under_a_grave_post_the_same_reading_says_less_and_under_a_calm_one_more() -> None:
    assert belief(what_it_adds(IN_BETWEEN, GRAVE, LINES)) < 0.4 < belief(what_it_adds(IN_BETWEEN, CALM, LINES))


def test_nothing_changes_where_the_post_may_be_either_or_nothing_is_taken_off() -> None:
    either = Reading((0.3, 0.2, 0.2, 0.3), {})

    assert what_it_adds(IN_BETWEEN, either, LINES).levels == pytest.approx(IN_BETWEEN.levels, abs=1e-3)
    assert what_it_adds(IN_BETWEEN, GRAVE, replace(LINES, answer=0.0)).levels == pytest.approx(
        IN_BETWEEN.levels, abs=1e-3
    )


@pytest.mark.parametrize("reply", [GRAVE, CALM, IN_BETWEEN, Reading((0.0, 0.0, 0.0, 1.0), {})])
@pytest.mark.parametrize("parent", [GRAVE, CALM, Reading((1.0, 0.0, 0.0, 0.0), {})])
def test_what_is_left_are_chances_still(reply: Reading, parent: Reading) -> None:
    levels = what_it_adds(reply, parent, LINES).levels

    assert all(0 <= level <= 1 for level in levels)
    assert sum(levels) == pytest.approx(1, abs=0.001)


def test_an_answer_in_a_thread_of_ours_is_to_us_without_our_name() -> None:
    answer = a_mention("he hit my little brother again", kind=Kind.MENTION)

    assert not by_rules().read_rules(answer).addressed
    assert by_rules().read_rules(replace(answer, parent_text="See you all on Thursday!")).addressed
