"""An empty database of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import PostgreSQL

from monitor.store import migrate
from monitor.store.database import Database


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """The server, started by the first test that wants it."""
    server = PostgreSQL()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without a table, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'earshot.db'}"
    else:
        url = request.getfixturevalue("postgresql").fresh()
    database = Database(url)
    database.make()
    yield database
    database.close()


@pytest.fixture
def database(empty: Database) -> Database:
    """The same with all tables."""
    migrate.upgrade(empty)
    return empty
