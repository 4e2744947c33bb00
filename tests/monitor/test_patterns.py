"""No regular expression of ours takes out of all proportion longer for a longer text: strangers choose the text."""

from __future__ import annotations

import re

import pytest
from patterns import every_way, grows_too_fast, hostile, own_signs, patterns

EVERY = patterns()


def test_the_patterns_are_found() -> None:
    assert len(EVERY) > 100
    assert {where.partition(".")[0] for where in EVERY} >= {"monitor", "alerts", "connectors"}


@pytest.mark.parametrize("where", EVERY)
def test_a_pattern_reads_a_text_of_its_own_signs_in_a_time_that_grows_with_it(where: str) -> None:
    work = every_way(EVERY[where])

    slow = next((found for unit in hostile(EVERY[where]) if (found := grows_too_fast(work, unit))), "")

    assert not slow, f"too slow for {slow}"


@pytest.mark.parametrize(
    "pattern", [r"\S+@\S+\.\S+", r"(a|b)*c", r"\s+$", r"(?=.*[A-Z])(?=.*[0-9])", r"<[^>]*>", r"\w+\s*:"]
)
def test_a_pattern_that_grows_quadratically_is_found_out(pattern: str) -> None:
    compiled = re.compile(pattern)

    assert own_signs(compiled)
    assert any(grows_too_fast(every_way(compiled), unit) for unit in hostile(compiled))
