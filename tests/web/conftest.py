"""A fresh house with pages for each test, on SQLite, and for some on PostgreSQL too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house_pages import PagesHouse
from postgres import LONG, PostgreSQL

ON_BOTH = frozenset(
    {
        "test_takeover_is_three_presses_and_the_second_asks",
        "test_of_many_uses_at_once_one_wins",
        "test_mentions_are_found_by_words_and_filters",
        "test_older_mentions_follow_page_by_page_without_a_gap",
        "test_a_grave_incident_is_not_closed_before_the_registers_are_answered",
        "test_every_page_opens_for_its_roles_and_for_no_other",
        "test_the_report_tells_times_and_decisions_and_quotes_nobody",
        "test_the_audit_page_finds_a_change",
        "test_the_week_is_counted_by_platform_with_its_table",
        "test_no_field_of_any_form_breaks_a_page",
        "test_no_address_and_no_query_breaks_a_page",
    }
)
"""Tests that run on PostgreSQL in every run; ``EARSHOT_PROVE=long`` runs all of them there."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on each database that it is for."""
    if "house" not in metafunc.fixturenames:
        return
    kinds: list[Any] = ["sqlite"]
    if LONG or metafunc.function.__name__ in ON_BOTH:
        kinds.append(pytest.param("postgresql", marks=pytest.mark.real))
    metafunc.parametrize("house", kinds, indirect=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """The server, started by the first test that wants it."""
    server = PostgreSQL()
    yield server
    server.stop()


@pytest.fixture
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PagesHouse]:
    """A house with pages."""
    server: PostgreSQL | None = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    made = PagesHouse(tmp_path, store=server.fresh() if server else "")
    yield made
    made.close()
