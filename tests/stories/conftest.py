"""A house that has already taken in its past, on SQLite, and for key stories on PostgreSQL too."""

from __future__ import annotations

import io
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres import LONG, PostgreSQL
from sqlalchemy import event

from monitor.logs import Blank, Lines
from monitor.store import migrate
from monitor.store.database import Database
from monitor.testing import House, a_house

MakeHouse = Callable[..., House]

ON_BOTH = frozenset(
    {
        "test_a_crisis_that_nobody_acknowledges_is_told_again_and_then_to_the_chair",
        "test_many_distinct_incidents_at_once_are_all_told_in_at_most_twelve_mails",
        "test_a_mention_that_breaks_the_scorer_is_set_aside_with_an_alert_and_stops_nobody",
        "test_an_edit_that_makes_a_post_grave_alerts_and_a_repeat_does_not_alert_twice",
        "test_not_a_problem_closes_an_alert_but_only_quietens_a_safeguarding_one",
        "test_ending_tells_everybody_and_reports_what_the_accounts_did",
        "test_three_accounts_on_two_platforms_begin_it_where_so_configured_and_it_ends_after_twelve_hours",
        "test_forgetting_keeps_the_counts_the_level_and_the_link",
        "test_a_platform_that_shows_it_again_keeps_it_and_one_that_does_not_lets_it_go",
        "test_a_person_can_be_found_exported_and_erased_and_does_not_come_back",
        "test_a_backup_leaves_linkedins_words_out_and_brings_nothing_forgotten_back",
        "test_what_is_written_after_a_restore_gets_ids_of_its_own",
        "test_words_of_hostile_form_are_stored_and_stop_nothing",
        "test_takeover_begun_by_six_at_once_begins_once",
        "test_an_incident_acknowledged_by_six_at_once_is_acknowledged_once",
        "test_six_senders_deliver_each_alert_once",
        "test_five_platforms_that_bring_copies_at_once_open_one_count_each",
        "test_a_digest_owed_by_four_at_once_is_owed_once",
    }
)
"""Stories that run on PostgreSQL in every run; ``EARSHOT_PROVE=long`` runs all of them there."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tell a story on each database that it is for."""
    if "store" not in metafunc.fixturenames:
        return
    kinds: list[Any] = ["sqlite"]
    if LONG or metafunc.function.__name__ in ON_BOTH:
        kinds.append(pytest.param("postgresql", marks=pytest.mark.real))
    metafunc.parametrize("store", kinds, indirect=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """The server, started by the first story that wants it."""
    server = PostgreSQL()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables, to be copied: migrating takes longer than most stories."""
    path = tmp_path_factory.mktemp("furnished") / "earshot.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.close()
    return path


@pytest.fixture
def store(request: pytest.FixtureRequest, furnished: Path) -> Callable[[Path], dict[str, str]]:
    """Makes the ``[store]`` table of a house."""
    kind = request.param
    server: PostgreSQL | None = request.getfixturevalue("postgresql") if kind == "postgresql" else None

    def table(folder: Path) -> dict[str, str]:
        if server is not None:
            return {"url": server.fresh(), "state_dir": str(folder)}
        shutil.copyfile(furnished, folder / "earshot.db")
        return {"url": f"sqlite:///{folder / 'earshot.db'}", "state_dir": str(folder)}

    return table


@pytest.fixture
def make_house(tmp_path: Path, store: Callable[[Path], dict[str, str]]) -> Iterator[MakeHouse]:
    """Makes houses past their first run, with an empty letter box."""
    made: list[House] = []

    def make(*platforms: str, **tables: Any) -> House:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        house = a_house(folder, *platforms, **{"store": store(folder), **tables})
        made.append(house)
        if house.app.database.is_sqlite:  # nobody pulls this plug
            event.listen(house.app.database.engine, "connect", lambda c, _: c.execute("PRAGMA synchronous=OFF"))
            house.app.database.engine.dispose()
        house.tick()
        house.fast_forward(minutes=2)
        house.mailer.letters.clear()
        return house

    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(Lines(Blank(())))
    logging.getLogger().addHandler(handler)
    logging.getLogger("monitor").setLevel(logging.DEBUG)
    yield make
    logging.getLogger("monitor").setLevel(logging.NOTSET)
    logging.getLogger().removeHandler(handler)
    for house in made:
        assert [text for text in house.texts() if text in lines.getvalue()] == []  # nobody's words in any log line
        house.app.close()
